"""What every text adapter returns: texts, their labels, and the group that each comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import DatasetError

EKMAN_LABELS: tuple[str, ...] = (
    "anger",
    "disgust",
    "fear",
    "joy",
    "neutral",
    "sadness",
    "surprise",
)
"""Ekman's six and neutral, in the order of GoEmotions' and MELD's files."""

EKMAN_TO_WIRE: dict[str, str] = {
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "scared",
    "joy": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprise": "surprised",
}
"""Ekman's names to the labels on the wire."""


@dataclass(frozen=True)
class LabelledTexts:
    """One or more splits of a text data set.

    Attributes:
        dataset: name of the data set.
        splits: the splits read, in order.
        labels: K native label names.
        texts: N texts as they stand in the file.
        targets: (N, K) True where the label was given; several may be.
        groups: N ids of what must stay on one side of a split (comment, dialogue, post).
        split_of: N names of the split each text comes from.
        skipped: rows left out, by reason.
        persons: N names of who wrote or spoke it; the group where that is not known.
        sources: N places that the text comes from (subreddit); empty where there is none.
    """

    dataset: str
    splits: tuple[str, ...]
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    targets: npt.NDArray[np.bool_]
    groups: tuple[str, ...]
    split_of: tuple[str, ...]
    skipped: dict[str, int]
    persons: tuple[str, ...]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def single(self) -> npt.NDArray[np.bool_]:
        """(N,) True where exactly one label was given."""
        return np.asarray(self.targets.sum(axis=1) == 1)

    def take(self, index: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> LabelledTexts:
        """Return the texts chosen by an index or a mask."""
        chosen = np.arange(len(self))[index]
        return LabelledTexts(
            self.dataset,
            self.splits,
            self.labels,
            tuple(self.texts[i] for i in chosen),
            self.targets[chosen],
            tuple(self.groups[i] for i in chosen),
            tuple(self.split_of[i] for i in chosen),
            dict(self.skipped),
            tuple(self.persons[i] for i in chosen),
            tuple(self.sources[i] for i in chosen),
        )


def joined(first: LabelledTexts, second: LabelledTexts) -> LabelledTexts:
    """Return two splits of one set as one, in their order."""
    return LabelledTexts(
        first.dataset,
        first.splits + second.splits,
        first.labels,
        first.texts + second.texts,
        np.concatenate([first.targets, second.targets]),
        first.groups + second.groups,
        first.split_of + second.split_of,
        first.skipped,
        first.persons + second.persons,
        first.sources + second.sources,
    )


@dataclass(frozen=True)
class Row:
    """One text read from a file: its labels as indices, its group and its split.

    ``person`` and ``source`` are empty where the set does not tell.
    """

    text: str
    labels: tuple[int, ...]
    group: str
    split: str
    person: str = ""
    source: str = ""


def assemble(
    dataset: str, labels: Sequence[str], rows: Sequence[Row], skipped: dict[str, int]
) -> LabelledTexts:
    """Put rows together.

    Raises:
        DatasetError: no row is left.
    """
    if not rows:
        raise DatasetError(f"{dataset}: no labelled text was found (skipped: {skipped or 'none'})")
    targets = np.zeros((len(rows), len(labels)), dtype=bool)
    for position, row in enumerate(rows):
        targets[position, list(row.labels)] = True
    return LabelledTexts(
        dataset,
        tuple(dict.fromkeys(row.split for row in rows)),
        tuple(labels),
        tuple(row.text for row in rows),
        targets,
        tuple(row.group for row in rows),
        tuple(row.split for row in rows),
        skipped,
        tuple(row.person or row.group for row in rows),
        tuple(row.source for row in rows),
    )


def split_files(
    folder: Path, names: dict[str, str], split: str | None, dataset: str
) -> dict[str, Path]:
    """Find the split files of a folder.

    Args:
        folder: where they should lie; or one of the files, which is then read alone.
        names: split to file name.
        split: the only one wanted, or None for all that there are.
        dataset: name for messages.

    Raises:
        DatasetError: the folder, the file or every file is missing, or the split is unknown.
    """
    if split is not None and split not in names:
        raise DatasetError(f"{dataset}: no split '{split}'; there are {', '.join(names)}")
    if folder.is_file():
        return {_split_of(folder, names, split, dataset): folder}
    if not folder.is_dir():
        raise DatasetError(f"{dataset}: there is no {folder}")
    wanted = [split] if split is not None else list(names)
    found = {name: folder / names[name] for name in wanted if (folder / names[name]).is_file()}
    if not found:
        files = ", ".join(names[name] for name in wanted)
        raise DatasetError(f"{dataset}: {folder} holds none of {files}")
    return found


def _split_of(file: Path, names: dict[str, str], split: str | None, dataset: str) -> str:
    for name, official in names.items():
        if official == file.name and split in (None, name):
            return name
    files = names[split] if split else ", ".join(names.values())
    raise DatasetError(f"{dataset}: {file} is not called {files}, as in the official layout")


def read_text(path: Path, dataset: str) -> str:
    """Read a file as UTF-8, or as Windows-1252 where it is not UTF-8 (Dreaddit is not).

    Raises:
        DatasetError: the file is empty or binary.
    """
    raw = path.read_bytes()
    if not raw.strip():
        raise DatasetError(f"{dataset}: {path} is empty")
    if b"\x00" in raw:
        raise DatasetError(f"{dataset}: {path} is binary, not a text table")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")
