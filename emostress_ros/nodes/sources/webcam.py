"""A camera on `image`, through OpenCV."""

from __future__ import annotations

from array import array
from typing import Any

from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import Image

from emostress_ros.nodes.sources.base import SensorGoneError, Source, check_range, load_extra


class Webcam(Source):
    """Publishes what a camera sees as `rgb8`, stamped when the picture was taken over.

    Args:
        device: number of the camera, its path (`/dev/video0`) or a stream's address.
        width: wanted width in pixels; the camera may give another.
        height: wanted height in pixels.
        rate_hz: wanted pictures a second.
        namespace: of the node.
        context: rclpy context.

    Raises:
        MissingExtraError: OpenCV is not installed.
        ParameterError: a size or rate is out of range.
    """

    def __init__(
        self,
        device: str = "0",
        width: int = 640,
        height: int = 480,
        rate_hz: float = 30.0,
        namespace: str = "",
        context: Any = None,
    ) -> None:
        check_range("width", width, 16, 7680)
        check_range("height", height, 16, 4320)
        check_range("rate_hz", rate_hz, 0.1, 240.0)
        self._cv2 = load_extra("cv2", "webcam")
        super().__init__("webcam", namespace, context)
        self._device: int | str = int(device) if device.isdigit() else device
        self._size, self._rate_hz = (width, height), rate_hz
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE
        )
        self._publisher = self.create_publisher(Image, "image", qos)

    def read(self) -> None:
        """Read pictures until stopped; see `Source.read`."""
        capture = self._open()
        try:
            while not self.stopped.is_set():
                good, picture = capture.read()
                stamp_ns = self.now_ns()
                if not good:
                    raise SensorGoneError(f"camera {self._device!r} gives no more pictures")
                rgb = self._cv2.cvtColor(picture, self._cv2.COLOR_BGR2RGB)
                self._publisher.publish(image_message(rgb, stamp_ns))
                self.published += 1
        finally:
            capture.release()

    def _open(self) -> Any:
        capture = self._cv2.VideoCapture(self._device)
        if not capture.isOpened():
            raise SensorGoneError(f"camera {self._device!r} cannot be opened")
        capture.set(self._cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
        capture.set(self._cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
        capture.set(self._cv2.CAP_PROP_FPS, self._rate_hz)
        return capture


def image_message(rgb: Any, stamp_ns: int, frame_id: str = "camera") -> Image:
    """An `Image` of a (H, W, 3) uint8 RGB array."""
    height, width = rgb.shape[:2]
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.header.frame_id = frame_id
    message.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
    data = array("B")  # assigning an ndarray would copy it byte by byte in Python
    data.frombytes(memoryview(rgb).cast("B"))
    message.data = data
    return message
