"""GoEmotions: Reddit comments with 27 emotions and neutral, or Ekman's six and neutral.

Demszky et al., "GoEmotions: A Dataset of Fine-Grained Emotions", ACL 2020; CC BY 4.0. Official
layout: ``train.tsv``, ``dev.tsv``, ``test.tsv`` with text, comma-separated label ids and comment
id, no header and no quoting; the label names stand one a line beside them.
"""

from __future__ import annotations

from pathlib import Path

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.labelled_text import (
    EKMAN_LABELS,
    LabelledTexts,
    Row,
    assemble,
    read_text,
    split_files,
)

SPLITS = {"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}

EKMAN_GROUPS: dict[str, tuple[str, ...]] = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        "joy", "amusement", "approval", "excitement", "gratitude", "love", "optimism", "relief",
        "pride", "admiration", "desire", "caring",
    ),
    "neutral": ("neutral",),
    "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
    "surprise": ("surprise", "realization", "confusion", "curiosity"),
}  # fmt: skip
"""The authors' grouping of the 27 emotions under Ekman's six (their ``ekman_mapping.json``)."""

ORIGINAL_LABELS: tuple[str, ...] = (
    *sorted(name for ekman, names in EKMAN_GROUPS.items() if ekman != "neutral" for name in names),
    "neutral",
)
"""The 28 labels in the order of the official ids: alphabetical, neutral last."""

_LABEL_FILES = ("labels.txt", "emotions.txt", "ekman_labels.csv", "labels.csv")


def load_goemotions(path: Path, split: str | None = None, level: str = "ekman") -> LabelledTexts:
    """Read GoEmotions.

    Args:
        path: the folder with the split files, or the folder that holds ``ekman/`` or
            ``original/``; or one of the files, its labels beside it.
        split: ``train``, ``dev`` or ``test``; None reads every split file that is there.
        level: ``ekman`` (7 labels; the 28 are grouped) or ``original`` (28 labels).

    Raises:
        DatasetError: files are missing or not in the official layout, or the Ekman files are
            asked for the 28 labels.
    """
    folder = _folder(Path(path), level)
    rows: list[Row] = []
    skipped = {"malformed": 0}
    chosen = Path(path) if Path(path).is_file() else folder
    for name, file in split_files(chosen, SPLITS, split, "goemotions").items():
        rows += _read(file, name, skipped)
    labels = _labels(folder, rows)
    if level == "original" and labels == EKMAN_LABELS:
        raise DatasetError(f"goemotions: {folder} holds the Ekman labels, not the original 28")
    if level == "ekman" and labels == ORIGINAL_LABELS:
        rows, labels = [_to_ekman(row) for row in rows], EKMAN_LABELS
    return assemble("goemotions", labels, rows, {k: v for k, v in skipped.items() if v})


def _folder(path: Path, level: str) -> Path:
    """Choose the folder that holds the split files."""
    if path.is_file():
        return path.parent
    if not path.is_dir():
        raise DatasetError(f"goemotions: there is no {path}")
    if any((path / name).is_file() for name in SPLITS.values()):
        return path
    order = ("ekman", "original", "data") if level == "ekman" else ("original", "data")
    for name in order:
        if any((path / name / file).is_file() for file in SPLITS.values()):
            return path / name
    raise DatasetError(
        f"goemotions: {path} holds none of {', '.join(SPLITS.values())}, nor ekman/ or original/"
    )


def _read(file: Path, split: str, skipped: dict[str, int]) -> list[Row]:
    rows: list[Row] = []
    for line in read_text(file, "goemotions").split("\n"):
        if not line.strip():
            continue
        fields = line.rstrip("\r").split("\t")
        if len(fields) < 2 or not fields[1].replace(",", "").isdecimal():
            skipped["malformed"] += 1
            continue
        ids = tuple(int(item) for item in fields[1].split(",") if item)
        group = fields[2] if len(fields) > 2 else f"{split}-{len(rows)}"
        rows.append(Row(fields[0], ids, group, split))
    if not rows:
        raise DatasetError(f"goemotions: {file} is not 'text<TAB>label ids<TAB>comment id'")
    return rows


def _labels(folder: Path, rows: list[Row]) -> tuple[str, ...]:
    """Tell the label set by the names beside the files, or by the ids where there are none."""
    highest = max(max(row.labels) for row in rows)
    named = next((folder / name for name in _LABEL_FILES if (folder / name).is_file()), None)
    if named is None:
        labels = EKMAN_LABELS if highest < len(EKMAN_LABELS) else ORIGINAL_LABELS
    else:
        labels = tuple(read_text(named, "goemotions").split())
    if labels not in (EKMAN_LABELS, ORIGINAL_LABELS):
        raise DatasetError(
            f"goemotions: {named} must name the 7 Ekman labels or the 28 original ones, "
            f"in their official order; got {len(labels)}: {' '.join(labels[:8])}"
        )
    if highest >= len(labels):
        raise DatasetError(f"goemotions: label id {highest}, but there are {len(labels)} labels")
    return labels


def _to_ekman(row: Row) -> Row:
    """Group a row's original labels, keeping the order in which they were given."""
    parent = {child: name for name, children in EKMAN_GROUPS.items() for child in children}
    names = dict.fromkeys(parent[ORIGINAL_LABELS[index]] for index in row.labels)
    return Row(row.text, tuple(EKMAN_LABELS.index(name) for name in names), row.group, row.split)
