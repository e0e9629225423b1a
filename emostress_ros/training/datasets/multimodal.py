"""Sets in which several senses of one person meet: what they share, and where each is read.

None of them is at hand where this project is built; their adapters read the official layouts and
are tested on made-up trees.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emostress_ros.errors import DatasetError


@dataclass(frozen=True)
class Moment:
    """A stretch of time of one person, with everything that was recorded of it.

    Attributes:
        dataset: name of the set.
        person: who, unique over all sets.
        emotion: label on the wire; empty where not labelled.
        stress: 0 or 1; -1 where not labelled.
        valence: [-1, 1] or NaN.
        arousal: [-1, 1] or NaN.
        video: file with the face, or None.
        audio: file with the voice, or None; may be the video's.
        text: what was said; empty where not known.
        physiology: signal to its file.
        start_s: where in the files the moment begins.
        end_s: where it ends; NaN: at the end of the files.
        split: official split; empty where there is none.
    """

    dataset: str
    person: str
    emotion: str = ""
    stress: int = -1
    valence: float = math.nan
    arousal: float = math.nan
    video: Path | None = None
    audio: Path | None = None
    text: str = ""
    physiology: dict[str, Path] = field(default_factory=dict)
    start_s: float = 0.0
    end_s: float = math.nan
    split: str = ""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Which modalities of the package the moment has."""
        has = {
            "face": self.video is not None,
            "voice": self.audio is not None,
            "physiology": bool(self.physiology),
            "text": bool(self.text),
        }
        return tuple(name for name, there in has.items() if there)


def folder_of(path: Path | str, name: str) -> Path:
    """Return a folder.

    Raises:
        DatasetError: there is none.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DatasetError(f"{name}: {folder} is not a folder")
    return folder


def some(moments: Iterable[Moment], name: str, folder: Path, expected: str) -> list[Moment]:
    """Return the moments as a list.

    Raises:
        DatasetError: there is none; says what the set looks like.
    """
    found = list(moments)
    if not found:
        raise DatasetError(f"{name}: nothing labelled in {folder}; expected {expected}")
    return found


def table(file: Path, name: str, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file.

    Raises:
        DatasetError: it is missing, or lacks columns.
    """
    if not file.is_file():
        raise DatasetError(f"{name}: {file} is missing")
    with file.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        reader = csv.DictReader(stream)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise DatasetError(f"{name}: {file} lacks the columns {', '.join(missing)}")
        return list(reader)


def number(text: str, where: str) -> float:
    """Return a number.

    Raises:
        DatasetError: it is none.
    """
    try:
        return float(text)
    except (TypeError, ValueError):
        raise DatasetError(f"{where}: '{text}' is no number") from None


def read(dataset: str, path: Path | str) -> list[Moment]:
    """Read a multimodal set by name.

    Args:
        dataset: ``crema_d``, ``ravdess``, ``meld``, ``stressid`` or ``k_emocon``.
        path: its folder in the official layout.

    Raises:
        DatasetError: an unknown set, or files that are missing or odd.
    """
    from emostress_ros.training.datasets import k_emocon, played, stressid

    readers: dict[str, Callable[[Path | str], list[Moment]]] = {
        "crema_d": played.crema_d,
        "ravdess": played.ravdess,
        "meld": played.meld,
        "stressid": stressid.load,
        "k_emocon": k_emocon.load,
    }
    if dataset not in readers:
        raise DatasetError(f"multimodal sets are {', '.join(readers)}; got '{dataset}'")
    return readers[dataset](path)
