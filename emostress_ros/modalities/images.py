"""Camera messages as RGB arrays, with the encodings that camera drivers really send."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import SignalError

Rgb = npt.NDArray[np.uint8]


def _grey_to_rgb(pixels: np.ndarray) -> Rgb:
    return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)


def _yuv422_to_rgb(pixels: np.ndarray, luma: int) -> Rgb:
    # ITU-R BT.601, full range, as UVC cameras send it; `luma` is the offset of Y in each pair.
    height, width = pixels.shape[:2]
    y = pixels[:, :, luma].astype(np.float32)
    chroma = pixels[:, : width // 2 * 2, 1 - luma].reshape(height, -1, 2).astype(np.float32) - 128.0
    u, v = (np.repeat(chroma[:, :, index], 2, axis=1) for index in (0, 1))
    y = y[:, : u.shape[1]]
    rgb = np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], axis=2)
    return np.clip(rgb + 0.5, 0, 255).astype(np.uint8)


_Convert = Callable[[np.ndarray], Rgb]
ENCODINGS: dict[str, tuple[int, _Convert]] = {
    "rgb8": (3, lambda pixels: pixels),
    "bgr8": (3, lambda pixels: pixels[:, :, ::-1]),
    "rgba8": (4, lambda pixels: pixels[:, :, :3]),
    "bgra8": (4, lambda pixels: pixels[:, :, 2::-1]),
    "8UC3": (3, lambda pixels: pixels[:, :, ::-1]),
    "8UC4": (4, lambda pixels: pixels[:, :, 2::-1]),
    "mono8": (1, _grey_to_rgb),
    "8UC1": (1, _grey_to_rgb),
    "mono16": (2, lambda pixels: _grey_to_rgb(pixels[:, :, 1])),
    "16UC1": (2, lambda pixels: _grey_to_rgb(pixels[:, :, 1])),
    "yuv422": (2, lambda pixels: _yuv422_to_rgb(pixels, luma=1)),
    "uyvy": (2, lambda pixels: _yuv422_to_rgb(pixels, luma=1)),
    "yuv422_yuy2": (2, lambda pixels: _yuv422_to_rgb(pixels, luma=0)),
    "yuyv": (2, lambda pixels: _yuv422_to_rgb(pixels, luma=0)),
}
"""Encoding name (sensor_msgs/image_encodings) to bytes a pixel and conversion; 16-bit images keep
their upper byte, and the 8UC types are taken as OpenCV's blue-green-red."""


def image_to_rgb(message: Any) -> Rgb:
    """Return a ``sensor_msgs/Image`` as (H, W, 3) uint8 RGB, without a copy where it can be.

    Raises:
        SignalError: an empty image, an unknown encoding, or data that do not fit the size.
    """
    height, width = int(message.height), int(message.width)
    if height < 1 or width < 1:
        raise SignalError(f"an image must be at least 1x1 pixels; got {width}x{height}")
    if message.encoding not in ENCODINGS:
        raise SignalError(
            f"image encoding must be one of {', '.join(ENCODINGS)}; got '{message.encoding}'"
        )
    depth, convert = ENCODINGS[message.encoding]
    data = np.frombuffer(message.data, dtype=np.uint8)
    step = int(message.step) or width * depth
    if step < width * depth or len(data) < step * (height - 1) + width * depth:
        raise SignalError(
            f"a {width}x{height} {message.encoding} image needs rows of {width * depth} bytes; "
            f"got step {message.step} and {len(data)} bytes"
        )
    if len(data) < step * height:  # a last row without its padding
        data = np.pad(data, (0, step * height - len(data)))
    rows = data[: step * height].reshape(height, step)[:, : width * depth]
    pixels = rows.reshape(height, width, depth)
    if depth == 2 and message.encoding in ("mono16", "16UC1") and message.is_bigendian:
        pixels = pixels[:, :, ::-1]
    return convert(pixels)


def compressed_to_rgb(message: Any) -> Rgb:
    """Return a ``sensor_msgs/CompressedImage`` (JPEG, PNG, ...) as (H, W, 3) uint8 RGB.

    Raises:
        SignalError: the bytes are no image.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(bytes(message.data))) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise SignalError(
            f"compressed image of format '{message.format}' and {len(message.data)} bytes cannot "
            f"be decoded (JPEG and PNG are): {error}"
        ) from error
