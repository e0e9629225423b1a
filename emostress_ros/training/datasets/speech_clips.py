"""Labelled speech clips: what they are, how a sound file is read, how sides are loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import DatasetError
from emostress_ros.modalities.voice.resample import resample
from emostress_ros.training.datasets.splits import BY_PERSON, Split

AUDIO_SUFFIXES = (".wav", ".flac", ".opus", ".ogg", ".mp3", ".m4a")
"""Sound files that are looked for; the sets come as wav, their compressed copies otherwise."""


@dataclass(frozen=True)
class SpeechClip:
    """One labelled recording.

    Attributes:
        path: sound file.
        label: the set's own name of the emotion.
        person: who speaks; unique over all sets, such as ``ravdess-07``.
        intensity: such as ``normal`` or ``strong``; empty where the set does not vary it.
        sex: ``female`` or ``male``; empty where the set does not say.
        text: what is said, or the code of the sentence.
    """

    path: Path
    label: str
    person: str
    intensity: str = ""
    sex: str = ""
    text: str = ""


def sound_files(folder: Path, name: str) -> list[Path]:
    """Return the sound files under ``folder``, one for each file name, sorted.

    Some distributions hold the whole set twice in nested folders; a name counts once.

    Raises:
        DatasetError: no such folder.
    """
    if not folder.is_dir():
        raise DatasetError(f"{name}: {folder} is not a folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in AUDIO_SUFFIXES and path.stem not in found:
            found[path.stem] = path
    return list(found.values())


def number_range(split: str | None, name: str, example: str) -> set[int] | None:
    """Return the actors that a split such as ``21-24`` or ``3`` names; None for all.

    Args:
        split: what was asked for.
        name: of the set, for the error.
        example: a range of the set, for the error.

    Raises:
        DatasetError: not a number or a range of numbers.
    """
    if split is None:
        return None
    first, dash, last = split.partition("-")
    if not first.isdecimal() or not (last.isdecimal() if dash else not last):
        raise DatasetError(
            f"{name}: split must be actors such as '{example}' or one of them; got '{split}'"
        )
    return set(range(int(first), int(last or first) + 1))


def read_mono_16k(path: Path) -> npt.NDArray[np.float32]:
    """Return a sound file as (n,) samples in [-1, 1] at 16 kHz, channels averaged.

    Raises:
        DatasetError: the file cannot be read, or holds no sound.
    """
    samples, rate = _read_wav(path) if path.suffix.lower() == ".wav" else _read_any(path)
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    if len(mono) == 0:
        raise DatasetError(f"{path} holds no sound")
    return resample(mono, rate).astype(np.float32)


def _read_wav(path: Path) -> tuple[npt.NDArray[np.float64], int]:
    import scipy.io.wavfile

    try:
        rate, samples = scipy.io.wavfile.read(path)
    except (ValueError, OSError, EOFError) as error:
        raise DatasetError(f"{path} is not a wav file that can be read: {error}") from error
    if samples.dtype.kind == "f":
        return samples.astype(np.float64), rate
    info = np.iinfo(samples.dtype)
    middle = 0.0 if info.min < 0 else (info.max + 1) / 2.0
    return (samples - middle) / (info.max + 1 - middle), rate


def _read_any(path: Path) -> tuple[npt.NDArray[np.float64], int]:
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            rate = int(stream.rate)
            resampler = av.AudioResampler(format="fltp", rate=rate)
            pieces = [
                piece.to_ndarray()
                for frame in container.decode(stream)
                for piece in resampler.resample(frame)
            ]
    except (av.FFmpegError, IndexError, OSError) as error:
        raise DatasetError(f"{path} is not a sound file that can be read: {error}") from error
    if not pieces:
        raise DatasetError(f"{path} holds no sound")
    return np.concatenate(pieces, axis=1).T.astype(np.float64), rate


def load_split(
    load: Callable[[Path, str | None], list[SpeechClip]],
    folder: Path,
    train: str,
    test: str,
    name: str = BY_PERSON,
) -> tuple[list[SpeechClip], Split]:
    """Return the clips of both sides of a split and how they are divided.

    Args:
        load: of a set, such as ``ravdess.load``.
        folder: of the set.
        train: the part to learn from, as ``load`` takes it: ``1-16``.
        test: the part to judge: ``17-20``.
        name: of the split; ``random`` lets a voice be on both sides.

    Raises:
        DatasetError: a voice or a clip is on both sides, or files are missing or odd.
    """
    learned, judged = load(folder, train), load(folder, test)
    clips = list({clip.path: clip for clip in (*learned, *judged)}.values())
    place = {clip.path: index for index, clip in enumerate(clips)}
    train_rows, test_rows = (
        np.array([place[clip.path] for clip in side]) for side in (learned, judged)
    )
    return clips, Split(name, train_rows, test_rows, tuple(clip.person for clip in clips))
