from __future__ import annotations

import array
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from sensor_msgs.msg import CompressedImage, Image

from emostress_ros.errors import SignalError
from emostress_ros.modalities.images import ENCODINGS, compressed_to_rgb, image_to_rgb

RGB = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def message(pixels: np.ndarray, encoding: str, padding: int = 0) -> Image:
    rows = np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    result = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    result.step = rows.shape[1]
    result.data = array.array("B", rows.tobytes())
    return result


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[:, :, ::-1]),
        ("8UC3", RGB[:, :, ::-1]),
        ("rgba8", np.dstack([RGB, np.full((6, 8), 255, np.uint8)])),
        ("bgra8", np.dstack([RGB[:, :, ::-1], np.full((6, 8), 255, np.uint8)])),
    ],
)
def test_colour_encodings_give_the_same_rgb(encoding, pixels, padding):
    assert (image_to_rgb(message(pixels, encoding, padding)) == RGB).all()


def test_grey_encodings_give_equal_channels():
    grey = RGB[:, :, 0]
    deep = np.stack([np.zeros_like(grey), grey], axis=2)  # little endian, upper byte last
    for encoding, pixels in (("mono8", grey), ("8UC1", grey), ("mono16", deep)):
        assert (image_to_rgb(message(pixels, encoding)) == grey[:, :, None]).all()


@pytest.mark.parametrize(("encoding", "luma"), [("yuyv", 0), ("uyvy", 1), ("yuv422", 1)])
def test_a_grey_yuv_picture_stays_grey(encoding, luma):
    pixels = np.full((6, 8, 2), 128, dtype=np.uint8)
    pixels[:, :, luma] = 77
    assert (image_to_rgb(message(pixels, encoding)) == 77).all()


def test_red_in_yuv_is_red():
    pixels = np.zeros((2, 4, 2), dtype=np.uint8)
    pixels[:, :, 0] = 76  # Y of pure red, BT.601
    pixels[:, 0::2, 1], pixels[:, 1::2, 1] = 85, 255  # U, V
    red, green, blue = image_to_rgb(message(pixels, "yuyv"))[0, 0]
    assert red > 250 and green < 5 and blue < 5


def test_an_unknown_encoding_is_named_with_those_allowed():
    with pytest.raises(SignalError, match=r"rgb8, bgr8.*got 'bayer_rggb8'"):
        image_to_rgb(message(RGB, "bayer_rggb8"))


def test_an_empty_image_is_refused():
    with pytest.raises(SignalError, match="got 0x0"):
        image_to_rgb(Image(encoding="rgb8"))


def test_too_few_bytes_are_refused():
    short = message(RGB, "rgb8")
    short.data = short.data[:-1]
    with pytest.raises(SignalError, match="needs rows of 24 bytes; got step 24 and 143 bytes"):
        image_to_rgb(short)


@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 200),
    st.sampled_from([*ENCODINGS, "", "nonsense"]),
    st.binary(max_size=2000),
)
def test_whatever_comes_it_is_an_image_or_a_clear_error(height, width, step, encoding, data):
    image = Image(height=height, width=width, step=step, encoding=encoding)
    image.data = array.array("B", data)
    try:
        rgb = image_to_rgb(image)
    except SignalError:
        return
    assert rgb.shape[0] == height and rgb.shape[2] == 3 and rgb.dtype == np.uint8


def test_jpeg_and_png_are_decoded():
    for kind in ("JPEG", "PNG"):
        buffer = io.BytesIO()
        Pillow.fromarray(np.full((20, 30, 3), (200, 30, 30), np.uint8)).save(buffer, kind)
        rgb = compressed_to_rgb(CompressedImage(format=kind, data=list(buffer.getvalue())))
        assert rgb.shape == (20, 30, 3)
        assert abs(int(rgb[5, 5, 0]) - 200) < 5


@given(st.binary(max_size=300))
def test_bytes_that_are_no_picture_are_refused(data):
    with pytest.raises(SignalError, match="cannot be decoded"):
        compressed_to_rgb(CompressedImage(format="jpeg", data=list(data)))
