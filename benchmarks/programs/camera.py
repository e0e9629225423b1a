"""A camera: publishes VGA frames at a rate, stamped now, until it has sent enough.

python -m benchmarks.programs.camera --faces 1 --rate 30 --frames 300 --topic image
"""

from __future__ import annotations

import argparse
import array
import io
import time

import numpy as np
import rclpy
from PIL import Image as Pillow
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from benchmarks import material

_SHIFTS = 12


def frames(faces: int, compressed: bool) -> list[Image | CompressedImage]:
    """Return messages of heads that sway."""
    made: list[Image | CompressedImage] = []
    for number in range(_SHIFTS):
        rgb = material.scene(faces, round(6 + 6 * np.sin(2 * np.pi * number / _SHIFTS)))
        if compressed:
            buffer = io.BytesIO()
            Pillow.fromarray(rgb).save(buffer, "JPEG", quality=80)
            message = CompressedImage(format="jpeg")
            message.data = array.array("B", buffer.getvalue())
        else:
            message = Image(height=480, width=640, step=1920, encoding="rgb8")
            message.data = array.array("B", rgb.tobytes())
        made.append(message)
    return made


def main() -> None:
    """Publish until enough was sent; a frame that is due late is sent late, none is skipped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=1)
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--frames", type=int, default=10**9)
    parser.add_argument("--topic", default="image")
    parser.add_argument("--compressed", action="store_true")
    parser.add_argument("--reliable", action="store_true")
    args = parser.parse_args()
    messages = frames(args.faces, args.compressed)
    rclpy.init()
    node = Node("camera")
    kind = CompressedImage if args.compressed else Image
    policy = ReliabilityPolicy.RELIABLE if args.reliable else ReliabilityPolicy.BEST_EFFORT
    qos = QoSProfile(depth=5, reliability=policy)
    publisher = node.create_publisher(kind, args.topic, qos)
    while publisher.get_subscription_count() == 0:
        time.sleep(0.02)
    time.sleep(0.5)
    began = time.monotonic()
    for number in range(args.frames):
        time.sleep(max(0.0, began + number / args.rate - time.monotonic()))
        message = messages[number % _SHIFTS]
        message.header.frame_id = str(number)
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
    time.sleep(0.5)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
