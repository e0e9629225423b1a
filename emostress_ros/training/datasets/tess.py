"""TESS: two women of 26 and 64 years, 200 words in a carrier phrase, seven emotions.

Source: Pichora-Fuller and Dupuis, "Toronto emotional speech set (TESS)", Borealis (2020),
CC BY-NC-ND 4.0.  A file name is ``<speaker>_<word>_<emotion>``.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.ravdess import LABELS as RAVDESS_LABELS
from emostress_ros.training.datasets.speech_clips import SpeechClip, sound_files

LABELS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad")
"""Emotions as in the file names; ``ps`` is pleasant surprise."""

RAVDESS_OF: dict[str, str] = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprised",
    "sad": "sad",
}
"""The RAVDESS label of each TESS label."""

_NAME = re.compile(r"(OAF?|YAF)_(.+)_([A-Za-z]+)")  # one official file is named OA_bite_neutral
_EXPECTED = "OAF_angry/OAF_back_angry.wav, YAF_sad/YAF_back_sad.wav, ... (or .flac, .opus)"


def load(folder: Path, split: str | None = None) -> list[SpeechClip]:
    """Return the clips of TESS under ``folder``.

    Args:
        folder: holds the ``OAF_<emotion>`` and ``YAF_<emotion>`` folders, at any depth.
        split: ``OAF`` or ``YAF`` takes one speaker alone; None takes both.

    Raises:
        DatasetError: nothing there, or a name or split that is not in the official form.
    """
    if split not in (None, "OAF", "YAF"):
        raise DatasetError(f"TESS: split must be 'OAF' or 'YAF'; got '{split}'")
    clips = [clip for path in sound_files(folder, "TESS") if (clip := _clip(path))]
    kept = [clip for clip in clips if split is None or clip.person == f"tess-{split}"]
    if not kept:
        raise DatasetError(f"TESS: no clip in {folder}; expected {_EXPECTED}")
    return kept


def _clip(path: Path) -> SpeechClip | None:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        if path.parent.name[:4] in ("OAF_", "YAF_"):
            raise DatasetError(f"TESS: {path} is not named as expected: {_EXPECTED}")
        return None
    speaker, word, emotion = match.groups()
    if emotion.lower() not in LABELS:
        raise DatasetError(f"TESS: {path} has emotion '{emotion}'; allowed: {', '.join(LABELS)}")
    return SpeechClip(
        path=path,
        label=emotion.lower(),
        person=f"tess-{'YAF' if speaker == 'YAF' else 'OAF'}",
        sex="female",
        text=word,
    )


def from_ravdess(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return (N, 7) probabilities of TESS's labels from (N, 8) of RAVDESS's.

    TESS has no calm: what a model takes for calm counts as neutral.
    """
    columns = {label: RAVDESS_LABELS.index(RAVDESS_OF[label]) for label in LABELS}
    folded = np.stack([probabilities[:, columns[label]] for label in LABELS], axis=1)
    folded[:, LABELS.index("neutral")] += probabilities[:, RAVDESS_LABELS.index("calm")]
    return folded
