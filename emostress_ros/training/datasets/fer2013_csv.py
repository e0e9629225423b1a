"""The official files of FER2013 (``fer2013.csv``) and FER+ (``fer2013new.csv``), row by row."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import DatasetError

SIDE = 48
VOTES_FILE = "fer2013new.csv"
_Row = tuple[int, dict[str, str]]


def read_faces(
    file: Path, classes: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.str_]]:
    """Return images (N, 48, 48), labels (N,) in -1 … classes-1, and usage (N,).

    Raises:
        DatasetError: a column is missing, or a row is odd; names file and line.
    """
    images: list[npt.NDArray[np.uint8]] = []
    labels: list[int] = []
    usage: list[str] = []
    for line, row in _rows(file, ("emotion", "pixels"), "emotion,pixels,Usage"):
        images.append(_parse_pixels(row["pixels"], file, line))
        labels.append(_parse_label(row["emotion"], classes, file, line))
        usage.append((row.get("usage") or "Training").strip())
    stacked = np.stack(images) if images else np.empty((0, SIDE, SIDE), np.uint8)
    return stacked, np.array(labels, np.int64), np.array(usage, np.str_)


def read_votes(
    file: Path, names: Sequence[str], usage: npt.NDArray[np.str_]
) -> npt.NDArray[np.uint8] | None:
    """Return FER+'s votes (N, K) in the order of ``names``, or None where the file is not there.

    FER+ names no image that FER2013 knows: its rows are those of ``fer2013.csv`` in their order.

    Args:
        file: ``fer2013new.csv``.
        names: of the columns of votes.
        usage: (N,) of ``fer2013.csv``, which FER+ repeats: a guard against rows that moved.

    Raises:
        DatasetError: a column is missing, a vote is no number, or the rows are not the same.
    """
    if not file.is_file():
        return None
    columns = [name.lower() for name in names]
    votes: list[list[int]] = []
    theirs: list[str] = []
    for line, row in _rows(file, columns, f"Usage,Image name,{','.join(names)}"):
        values = [row[column] or "" for column in columns]
        if not all(value.strip().isdecimal() and int(value) < 256 for value in values):
            raise DatasetError(f"{file}:{line}: votes must be numbers of 0 … 255; got {values}")
        votes.append([int(value) for value in values])
        theirs.append((row.get("usage") or "Training").strip())
    if len(votes) != len(usage):
        raise DatasetError(f"{file} has {len(votes)} rows, fer2013.csv has {len(usage)}")
    moved = np.flatnonzero(np.array(theirs, np.str_) != usage)
    if len(moved):
        raise DatasetError(
            f"{file}: row {moved[0] + 1} is of {theirs[moved[0]]}, in fer2013.csv of "
            f"{usage[moved[0]]}: the rows are not the same"
        )
    return np.array(votes, np.uint8).reshape(-1, len(columns))


def _rows(file: Path, needed: Sequence[str], header: str) -> Iterator[_Row]:
    """Yield line number and row, its columns in lower case."""
    with file.open(newline="") as stream:
        reader = csv.DictReader(stream)
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
        missing = [name for name in needed if name not in reader.fieldnames]
        if missing:
            raise DatasetError(
                f"{file} lacks the columns {', '.join(missing)}; official header: {header}"
            )
        for row in reader:
            yield reader.line_num, row


def _parse_label(text: str | None, classes: int, file: Path, line: int) -> int:
    try:
        label = int(text or "")
    except ValueError:
        label = classes
    if not -1 <= label < classes:
        raise DatasetError(f"{file}:{line}: emotion must be -1 … {classes - 1}; got {text!r}")
    return label


def _parse_pixels(text: str | None, file: Path, line: int) -> npt.NDArray[np.uint8]:
    try:
        values = np.array((text or "").split(), dtype=np.int64)
    except (ValueError, OverflowError):
        values = np.empty(0, np.int64)
    if values.size != SIDE * SIDE or values.min() < 0 or values.max() > 255:
        raise DatasetError(
            f"{file}:{line}: pixels must be {SIDE * SIDE} numbers of 0 … 255; got {values.size}"
        )
    return values.astype(np.uint8).reshape(SIDE, SIDE)
