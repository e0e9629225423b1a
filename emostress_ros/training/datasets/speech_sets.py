"""The sets of labelled speech by name: how each is read, and how its labels read RAVDESS's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets import crema_d, ravdess, tess
from emostress_ros.training.datasets.speech_clips import SpeechClip

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class SpeechSet:
    """A set of labelled speech.

    Attributes:
        name: as the command takes it.
        load: (folder, split) to clips; see the set's own module.
        labels: its emotions.
        fold: (N, 8) probabilities of RAVDESS's labels to (N, K) of its own.
        ravdess_of: its label to RAVDESS's.
        licence: of the recordings.
    """

    name: str
    load: Callable[[Path, str | None], list[SpeechClip]]
    labels: tuple[str, ...]
    fold: Callable[[FloatArray], FloatArray]
    ravdess_of: Mapping[str, str]
    licence: str


SETS = {
    item.name: item
    for item in (
        SpeechSet("ravdess", ravdess.load, ravdess.LABELS, lambda rows: rows,
                  {label: label for label in ravdess.LABELS}, "CC BY-NC-SA 4.0"),
        SpeechSet("tess", tess.load, tess.LABELS, tess.from_ravdess, tess.RAVDESS_OF,
                  "CC BY-NC-ND 4.0"),
        SpeechSet("crema_d", crema_d.load, crema_d.LABELS, crema_d.from_ravdess,
                  {label: label for label in crema_d.LABELS}, "ODbL 1.0"),
    )
}  # fmt: skip
"""Sets by name."""


def speech_set(name: str) -> SpeechSet:
    """Return a set by name.

    Raises:
        DatasetError: no such set.
    """
    if name not in SETS:
        raise DatasetError(f"voice: no data set '{name}'; there are {', '.join(SETS)}")
    return SETS[name]
