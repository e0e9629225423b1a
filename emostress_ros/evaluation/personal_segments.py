"""When a person was calm or stressed, from a table of theirs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path

from emostress_ros.errors import DatasetError
from emostress_ros.files import utf8_of
from emostress_ros.training.datasets.wearable_stress import Segment

_COLUMNS = ("start_s", "end_s", "stress")


def read_segments(path: Path | str) -> list[Segment]:
    """Read when a person was calm or stressed.

    Args:
        path: CSV with the columns `start_s`, `end_s` (seconds since the recording's first pulse
            sample, of a bag its first physiology sample) and `stress` (0 or 1); others are
            ignored, but for `condition`, which names the segment.

    Raises:
        DatasetError: the file is missing, or a row is no segment.
    """
    path = Path(path)
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; it names a person's segments")
    rows = csv.DictReader(io.StringIO(utf8_of(path), newline=""))
    if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
        raise DatasetError(f"{path}: lacks the columns {', '.join(missing)}")
    held = list(rows)
    people = sorted({row["subject"] for row in held if row.get("subject")})
    if len(people) > 1:
        raise DatasetError(
            f"{path}: names {len(people)} subjects, such as {people[0]} and {people[1]}; keep the "
            f"rows of one person"
        )
    segments = [_segment(path, number, row) for number, row in enumerate(held, start=2)]
    if not segments:
        raise DatasetError(f"{path}: no segment")
    return sorted(segments, key=lambda segment: segment.start_s)


def _segment(path: Path, number: int, row: Mapping[str, str]) -> Segment:
    try:
        start, end, stress = float(row["start_s"]), float(row["end_s"]), int(row["stress"])
    except (TypeError, ValueError):
        start, end, stress = 0.0, 0.0, -1
    if stress not in (0, 1) or not 0.0 <= start < end < math.inf:
        got = ", ".join(f"{name} {row[name]}" for name in _COLUMNS)
        raise DatasetError(f"{path}:{number}: need stress 0 or 1 and 0 <= start < end; got {got}")
    return Segment(row.get("condition") or ("stressed" if stress else "calm"), stress, start, end)
