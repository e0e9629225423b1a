"""What was true: labelled stretches of time of the people in some bags.

A CSV file with the columns ``bag, person, start_s, end_s`` and at least one of ``emotion, stress,
valence, arousal``. Times are seconds since the bag's zero (its first sensor stamp; where the bag
begins with a wearable's lead-in, the end of that) or, above 1e8, Unix time. An empty person is the
one person of the bag; an empty value is not known.
"""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from emostress_ros.affect import EMOTIONS, NANOSECONDS
from emostress_ros.errors import DatasetError
from emostress_ros.files import utf8_of

REQUIRED = ("bag", "person", "start_s", "end_s")
VALUES = ("emotion", "stress", "valence", "arousal")
_SEGMENTS = ("dataset", "subject", "condition", "stress", "start_s", "end_s")
_RANGES = {"stress": (0.0, 1.0), "valence": (-1.0, 1.0), "arousal": (-1.0, 1.0)}
_UNIX_S = 1e8
"""Times above are Unix time: no recording lasts three years."""
_LAST_S = 9e9  # in the year 2255; nanoseconds end in 2262


@dataclass(frozen=True)
class Label:
    """What was true of one person for a while.

    Attributes:
        bag: name of the bag.
        person: id as in the states; empty: the one person of the bag.
        start_s: since the bag's zero, or Unix time.
        end_s: the same.
        emotion: one of `EMOTIONS`, or empty.
        stress: [0, 1] or NaN; 0.5 and more is stressed.
        valence: [-1, 1] or NaN.
        arousal: [-1, 1] or NaN.
    """

    bag: str
    person: str
    start_s: float
    end_s: float
    emotion: str = ""
    stress: float = math.nan
    valence: float = math.nan
    arousal: float = math.nan

    def between_ns(self, zero_ns: int) -> tuple[int, int]:
        """Start and end on the sensors' clock, of a bag with this zero."""
        begin_ns = 0 if self.start_s >= _UNIX_S else zero_ns
        return tuple(begin_ns + round(t * NANOSECONDS) for t in (self.start_s, self.end_s))  # type: ignore[return-value]

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the values that are known."""
        known = [name for name in _RANGES if not math.isnan(getattr(self, name))]
        return (*(["emotion"] if self.emotion else []), *known)


def read_labels(path: Path | str) -> list[Label]:
    """Read the labels of some bags.

    Raises:
        DatasetError: names the line, what came and what is allowed.
    """
    path = Path(path)
    labels = []
    for where, row in _rows(path, REQUIRED, VALUES):
        labels.append(_label(where, row))
    if not labels:
        raise DatasetError(f"{path}: holds no label")
    _check_overlaps(path, labels)
    return labels


def read_segments(path: Path | str) -> list[Label]:
    """Read the ``segments.csv`` of WESAD and Stress-Predict as labels of stress.

    The bag of a subject is named by data set and subject, ``wesad_S2``: both sets have an S10.

    Raises:
        DatasetError: names the line, what came and what is allowed.
    """
    labels = []
    for where, row in _rows(Path(path), _SEGMENTS, ()):
        bag = f"{row['dataset']}_{row['subject']}"
        labels.append(_label(where, {**row, "bag": bag, "person": row["subject"]}))
    return labels


def of_bag(labels: Sequence[Label], bag: str) -> list[Label]:
    """Labels of one bag, in order of time.

    Raises:
        DatasetError: there is none; names the bags that there are.
    """
    found = sorted((x for x in labels if x.bag == bag), key=lambda x: (x.person, x.start_s))
    if not found:
        known = sorted({x.bag for x in labels})
        close = difflib.get_close_matches(bag, known, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise DatasetError(f"no label of the bag '{bag}'{hint} There are: {', '.join(known)}")
    return found


def _rows(
    path: Path, required: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """(where, row) of every line of a CSV file with these columns."""
    if not path.is_file():
        raise DatasetError(f"{path}: no such file")
    reader = csv.DictReader(io.StringIO(utf8_of(path), newline=""), skipinitialspace=True)
    columns = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = columns
    missing = [name for name in required if name not in columns]
    unknown = [name for name in columns if name not in (*required, *optional)]
    none = bool(optional) and not any(name in columns for name in optional)
    if missing or unknown or none:
        also = f", and one or more of {', '.join(optional)}" if optional else ""
        raise DatasetError(
            f"{path}: need the columns {', '.join(required)}{also}; "
            f"got {', '.join(columns) or 'none'}"
        )
    for number, row in enumerate(reader, start=2):
        where = f"{path}:{number}"
        if None in row or None in row.values():
            raise DatasetError(f"{where}: need {len(columns)} values; got another number")
        if any(value.strip() for value in row.values()):
            yield where, {name: value.strip() for name, value in row.items()}


def _label(where: str, row: dict[str, str]) -> Label:
    if not row["bag"]:
        raise DatasetError(f"{where}: 'bag' must name a bag; it is empty")
    start_s, end_s = _number(where, "start_s", row), _number(where, "end_s", row)
    if not 0.0 <= start_s < end_s <= _LAST_S:
        raise DatasetError(
            f"{where}: need 0 <= start_s < end_s <= {_LAST_S:g}; got {row['start_s']}, "
            f"{row['end_s']}"
        )
    emotion = row.get("emotion", "")
    if emotion and emotion not in EMOTIONS:
        raise DatasetError(
            f"{where}: emotion must be one of {', '.join(EMOTIONS)}; got '{emotion}'"
        )
    values = {name: _value(where, name, row) for name in _RANGES}
    label = Label(row["bag"], row["person"], start_s, end_s, emotion, **values)
    if not label.states:
        raise DatasetError(f"{where}: says nothing: give one of {', '.join(VALUES)}")
    return label


def _number(where: str, name: str, row: dict[str, str]) -> float:
    try:
        return float(row[name])
    except ValueError:
        raise DatasetError(f"{where}: '{name}' must be a number; got '{row[name]}'") from None


def _value(where: str, name: str, row: dict[str, str]) -> float:
    if not row.get(name):
        return math.nan
    value, (low, high) = _number(where, name, row), _RANGES[name]
    if not low <= value <= high:
        raise DatasetError(f"{where}: '{name}' must lie in [{low:g}, {high:g}]; got {row[name]}")
    return value


def _check_overlaps(path: Path, labels: Sequence[Label]) -> None:
    """Two truths of one kind at one time cannot both hold."""
    for kind in VALUES:
        stated = [x for x in labels if kind in x.states]
        stated.sort(key=lambda x: (x.bag, x.person, x.start_s))
        for before, after in itertools.pairwise(stated):
            same = (before.bag, before.person) == (after.bag, after.person)
            if same and after.start_s < before.end_s - 1e-9:
                raise DatasetError(
                    f"{path}: two labels of {kind} of '{after.person}' in '{after.bag}' overlap: "
                    f"{before.start_s:g} to {before.end_s:g} s and from {after.start_s:g} s"
                )
