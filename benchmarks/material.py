"""What the benchmarks work on: real recordings where at hand, else the package's sample."""

from __future__ import annotations

import os
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

RATE_HZ = 16_000
SHARED = Path(
    os.environ.get("EMOSTRESS_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)


@lru_cache(maxsize=1)
def speech() -> tuple[list[np.ndarray], str]:
    """Return clips of speech, float32 at 16 kHz, at least 3 s each, and what they are."""
    import soundfile

    paths = sorted((SHARED / "voice" / "ravdess").glob("Actor_*/*.flac"))[::30]
    if paths:
        clips = [soundfile.read(path, dtype="float32")[0] for path in paths]
        return [clip for clip in clips if len(clip) >= 3 * RATE_HZ], (
            f"{len(paths)} clips of RAVDESS, 20 actors"
        )
    from emostress_ros.evaluation.bags.sample import _SCRIPT
    from emostress_ros.evaluation.bags.speech import speak

    random = np.random.default_rng(0)
    clips = []
    for number, (_, _, phonemes) in enumerate(_SCRIPT * 4):
        pitch = 95.0 + 9.0 * number
        words = np.concatenate([speak(phonemes, pitch_hz=pitch, seed=number)] * 3)
        level = 10.0 ** random.uniform(-1.0, 0.0) / 32768.0
        clips.append((level * words + 3e-4 * random.normal(size=len(words))).astype(np.float32))
    return clips, f"{len(clips)} synthetic sentences (no real speech at hand)"


@lru_cache(maxsize=1)
def head() -> np.ndarray:
    """Return (300, 256, 3) RGB: one frontal face with its surroundings."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    with Image.open(path) as photograph:
        return np.asarray(photograph.convert("RGB").resize((256, 300)))


def scene(faces: int, shift: int = 0, width: int = 640, height: int = 480) -> np.ndarray:
    """Return an RGB frame with 1, 4 or 16 heads in a grid, moved by some pixels.

    Args:
        faces: 1, 4, 9 or 16.
        shift: of the heads, px to the right.
        width: of the frame.
        height: of the frame.
    """
    side = round(faces**0.5)
    cell = height // side
    portrait = Image.fromarray(head()).resize((cell * 256 // 300, cell))
    frame = np.full((height, width, 3), 90, np.uint8)
    for number in range(faces):
        row, column = divmod(number, side)
        left = min(width - portrait.width, column * (width // side) + shift)
        frame[row * cell : (row + 1) * cell, left : left + portrait.width] = np.asarray(portrait)
    return frame


def clips() -> list[Path]:
    """Return clips of talking people; none where the data are not at hand."""
    return sorted((SHARED / "clips").glob("*.mpg"))


def wearable_windows() -> tuple[list[tuple[np.ndarray, float, np.ndarray, float]], str]:
    """Return 60 s of (pulse, its rate, skin conductance, its rate), and what they are."""
    from emostress_ros.evaluation.bags import sample

    pulse = np.loadtxt(
        sample._asset("peakdet", sample._PULSE_FILE, sample._PULSE_SHA256), dtype=np.float64
    )
    windows = []
    for number, first in enumerate((455.0, 475.0, 495.0)):
        skin = sample._skin_conductance(60.0, np.random.default_rng(number))
        begin = round(first * sample.PULSE_HZ)
        part = pulse[begin : begin + round(60 * sample.PULSE_HZ)]
        windows.append((part, sample.PULSE_HZ, skin, 4.0))
    return windows, "a finger's pulse (peakdet) and made skin conductance of known responses"


def wrist_windows() -> list[tuple[np.ndarray, float, np.ndarray, float]]:
    """Return 60-s windows of a real wristband, all it has; none where it is not at hand."""
    path = SHARED / "physiology" / "wesad" / "S2" / "S2_E4_Data.zip"
    if not path.is_file():
        return []
    with zipfile.ZipFile(path) as archive:
        (rate, pulse), (slow, skin) = (_e4(archive, name) for name in ("BVP", "EDA"))
    count = int(min(len(pulse) / rate, len(skin) / slow) // 60)
    return [
        (
            pulse[round(60 * k * rate) : round(60 * (k + 1) * rate)], rate,
            skin[round(60 * k * slow) : round(60 * (k + 1) * slow)], slow,
        )
        for k in range(count)
    ]  # fmt: skip


def _e4(archive: zipfile.ZipFile, name: str) -> tuple[float, np.ndarray]:
    lines = archive.read(f"{name}.csv").decode().split()
    return float(lines[1]), np.array(lines[2:], np.float64)
