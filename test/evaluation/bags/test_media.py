from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import MediaError
from emostress_ros.evaluation.bags.media import _chunks, open_media


def phone_clip(path: Path) -> Path:
    """A clip whose left half is red, marked as a phone held upright marks it (rotate = 90)."""
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[:, :32, 0] = picture[:, 32:, 2] = 200
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 4 + 20 + 16  # ISO 14496-12, 8.3.2, version 0
    quarter_turn = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    data[matrix : matrix + 36] = quarter_turn
    path.write_bytes(data)
    return path


def test_a_phones_clip_is_turned_upright(tmp_path: Path) -> None:
    frame = next(open_media(phone_clip(tmp_path / "phone.mp4")).frames())
    assert frame.rgb.shape == (64, 48, 3)
    assert frame.rgb[5, 20, 0] > 150 and frame.rgb[-5, 20, 2] > 150  # red on top, blue below


def test_a_photograph_is_one_frame(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (32, 24), (10, 200, 30)).save(tmp_path / "photo.png")
    media = open_media(tmp_path / "photo.png")
    (frame,) = media.frames()
    assert frame.offset_ns == 0 and frame.rgb.shape == (24, 32, 3) and media.duration_ns > 0


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such video or sound file"):
        open_media(tmp_path)


@given(st.lists(st.integers(1, 700), min_size=1, max_size=12), st.integers(1, 400),
       st.integers(-3, 3))  # fmt: skip
def test_chunks_keep_every_sample_at_its_time(sizes, size, wobble_ms) -> None:
    """Decoders hand out pieces of any length; containers round their times to milliseconds."""
    rate, samples = 8000, np.arange(sum(sizes), dtype=np.int16)
    pieces, first = [], 0
    for index, count in enumerate(sizes):
        time = Fraction(first, rate) + (Fraction(wobble_ms, 1000) if index else 0)
        pieces.append((time, samples[first : first + count, None]))
        first += count
    blocks = list(_chunks(iter(pieces), rate, size, Fraction(0)))
    np.testing.assert_array_equal(np.concatenate([x.pcm for x in blocks])[:, 0], samples)
    for block in blocks:
        assert abs(block.offset_ns - int(block.pcm[0, 0]) * NANOSECONDS / rate) <= 1
    assert all(len(x.pcm) == size for x in blocks[:-1])


@given(st.integers(1, 500), st.integers(10, 5000))
def test_a_gap_is_kept_as_a_gap(size, gap_ms) -> None:
    rate = 8000
    pcm = np.ones((1000, 1), np.int16)
    later = Fraction(1000, rate) + Fraction(gap_ms, 1000)
    blocks = list(_chunks(iter([(Fraction(0), pcm), (later, pcm)]), rate, size, Fraction(0)))
    assert sum(len(x.pcm) for x in blocks) == 2000
    after = [x for x in blocks if x.offset_ns >= 1000 * NANOSECONDS // rate + 1]
    assert after[0].offset_ns == round(later * NANOSECONDS)
