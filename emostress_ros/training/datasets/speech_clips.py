"""Labelled speech clips: what they are, how a sound file is read, how people are kept apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import DatasetError
from emostress_ros.modalities.voice.resample import resample

AUDIO_SUFFIXES = (".wav", ".flac", ".opus", ".ogg", ".mp3", ".m4a")
"""Sound files that are looked for; the sets come as wav, their compressed copies otherwise."""


@dataclass(frozen=True)
class SpeechClip:
    """One labelled recording.

    Attributes:
        path: sound file.
        label: the set's own name of the emotion.
        person: who speaks; unique over all sets, such as ``ravdess-07``.
        intensity: ``normal`` or ``strong``; empty where the set does not vary it.
        sex: ``female`` or ``male``.
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


def check_disjoint(train: Iterable[SpeechClip], test: Iterable[SpeechClip]) -> None:
    """Refuse a split that puts one voice on both sides.

    Raises:
        DatasetError: names the people on both sides.
    """
    both = {clip.person for clip in train} & {clip.person for clip in test}
    if both:
        raise DatasetError(f"on both sides of a person-disjoint split: {', '.join(sorted(both))}")


def person_folds(clips: Sequence[SpeechClip], folds: int) -> npt.NDArray[np.int64]:
    """Return the (N,) fold of every clip: people in order, in blocks of equal size.

    RAVDESS numbers its actors male, female, male, ...: blocks of four hold two of each.

    Raises:
        DatasetError: fewer people than folds.
    """
    people = sorted({clip.person for clip in clips})
    if len(people) < folds:
        raise DatasetError(f"{folds} folds need as many people; got {len(people)}")
    fold_of = {person: i * folds // len(people) for i, person in enumerate(people)}
    return np.array([fold_of[clip.person] for clip in clips], dtype=np.int64)
