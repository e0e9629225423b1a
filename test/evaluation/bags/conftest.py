"""Media with known content, made on the spot."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

FRAMES, FPS, RATE = 20, 10, 16000
AUDIO_DELAY_S = 0.25
E4_START = 1_600_000_000


def write_film(path: Path, *, sound: bool = True, pictures: bool = True) -> Path:
    """2 s of film: frame i is grey of level 10 i; a tone begins AUDIO_DELAY_S later."""
    import av

    with av.open(str(path), "w") as out:
        video = audio = None
        if pictures:
            video = out.add_stream("ffv1", rate=FPS)
            video.width, video.height, video.pix_fmt = 64, 48, "bgr0"
        if sound:
            audio = out.add_stream("pcm_s16le", rate=RATE)
            audio.layout = "mono"
        for index in range(FRAMES if video else 0):
            picture = np.full((48, 64, 3), 10 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            out.mux(video.encode(frame))
        if video:
            out.mux(video.encode(None))
        if audio:
            tone = (8000 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.int16)
            block = av.AudioFrame.from_ndarray(tone[None, :], format="s16", layout="mono")
            block.sample_rate, block.time_base = RATE, Fraction(1, RATE)
            block.pts = int(AUDIO_DELAY_S * RATE)
            out.mux(audio.encode(block))
            out.mux(audio.encode(None))
    return path


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_film(tmp_path / "film.mkv")


@pytest.fixture
def silent_film(tmp_path: Path) -> Path:
    return write_film(tmp_path / "silent.mkv", sound=False)


@pytest.fixture
def sound_file(tmp_path: Path) -> Path:
    return write_film(tmp_path / "tone.wav", pictures=False)


@pytest.fixture
def wearable(tmp_path: Path) -> Path:
    """100 s of an E4: BVP counts its samples, EDA is constant, a beat every second."""
    folder = tmp_path / "e4"
    folder.mkdir()
    seconds = 100

    def write(name: str, rate: int, rows: np.ndarray) -> None:
        columns = rows.shape[1]
        head = [",".join([f"{E4_START}.000000"] * columns), ",".join([f"{rate}.0"] * columns)]
        body = [",".join(f"{value:g}" for value in row) for row in rows]
        (folder / name).write_text("\n".join(head + body) + "\n")

    write("BVP.csv", 64, np.arange(64 * seconds, dtype=float)[:, None])
    write("EDA.csv", 4, np.full((4 * seconds, 1), 0.5))
    write("TEMP.csv", 4, np.full((4 * seconds, 1), 33.0))
    write("ACC.csv", 32, np.tile([0.0, 0.0, 64.0], (32 * seconds, 1)))
    beats = "\n".join(f"{second}.0,1.0" for second in range(1, seconds))
    (folder / "IBI.csv").write_text(f"{E4_START}.000000, IBI\n{beats}\n")
    return folder
