"""What WESAD and Stress-Predict share: subjects with an Empatica E4 and labelled segments.

`segments.csv` names, for each subject, when which condition held and whether it was stressful:
`dataset, subject, condition, stress, start_s, end_s`, in seconds since the first BVP sample.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.empatica import E4Recording, read_e4

REST_S = 120.0
"""The first seconds of the first unstressed segment: the resting baseline, never scored."""
_COLUMNS = ("dataset", "subject", "condition", "stress", "start_s", "end_s")


@dataclass(frozen=True)
class Segment:
    """One condition of one subject.

    Attributes:
        condition: its name in the data set.
        stress: 1 where it was stressful, else 0.
        start_s: seconds since the first BVP sample.
        end_s: the same.
    """

    condition: str
    stress: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Subject:
    """One person of a data set.

    Attributes:
        dataset: `wesad` or `stress_predict`.
        name: `S2`, `S02`, ...
        path: the E4 zip or folder.
        segments: in the order of time.
    """

    dataset: str
    name: str
    path: Path
    segments: tuple[Segment, ...]

    @property
    def key(self) -> str:
        """A name that is unique over data sets."""
        return f"{self.dataset}/{self.name}"

    @property
    def rest_start_s(self) -> float:
        """Where the resting baseline begins.

        Raises:
            DatasetError: no segment is unstressed.
        """
        calm = [segment for segment in self.segments if segment.stress == 0]
        if not calm:
            raise DatasetError(f"{self.key}: segments.csv names no unstressed segment")
        return calm[0].start_s

    def read(self) -> E4Recording:
        """Read the recording; see `empatica.read_e4`."""
        return read_e4(self.path)


def read_subjects(path: Path | str, dataset: str) -> list[Subject]:
    """Subjects of `dataset` whose recordings are below `path`.

    Args:
        path: a folder with `segments.csv` and the folder `<dataset>/S*/`, or that folder of the
            set, with `segments.csv` in it or beside it.
        dataset: `wesad` or `stress_predict`.

    Raises:
        DatasetError: a file is missing or odd.
    """
    path = Path(path)
    folder, table = _places(path, dataset)
    segments = _read_segments(table, dataset)
    found = [
        Subject(dataset, name, _recording(folder / name, name), tuple(rows))
        for name, rows in segments.items()
        if (folder / name).is_dir()
    ]
    if not found and folder == path:
        raise DatasetError(f"{path}: need {path}/{dataset}/S*/S*_E4_Data.zip")
    if not found:
        raise DatasetError(
            f"{folder}: none of the subjects of segments.csv is there: {', '.join(segments)}"
        )
    return found


def _places(path: Path, dataset: str) -> tuple[Path, Path]:
    """Return the folder of the subjects and the table of their segments."""
    folder = path / dataset if (path / dataset).is_dir() else path
    for place in (path, folder.parent):
        if (place / "segments.csv").is_file():
            return folder, place / "segments.csv"
    raise DatasetError(
        f"{path / 'segments.csv'}: no such file, nor beside the folder; it names the conditions of "
        "every subject"
    )


def _read_segments(path: Path, dataset: str) -> dict[str, list[Segment]]:
    by_subject: dict[str, list[Segment]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != _COLUMNS:
            raise DatasetError(
                f"{path}: need the columns {', '.join(_COLUMNS)}; "
                f"got {', '.join(rows.fieldnames or ()) or 'none'}"
            )
        for number, row in enumerate(rows, start=2):
            if row["dataset"] == dataset:
                by_subject.setdefault(row["subject"], []).append(_segment(path, number, row))
    if not by_subject:
        raise DatasetError(f"{path}: no row of the data set '{dataset}'")
    return {name: sorted(s, key=lambda x: x.start_s) for name, s in by_subject.items()}


def _segment(path: Path, number: int, row: dict[str, str]) -> Segment:
    try:
        segment = Segment(
            row["condition"], int(row["stress"]), float(row["start_s"]), float(row["end_s"])
        )
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{path}:{number}: not a segment: {error}") from error
    if segment.stress not in (0, 1) or not 0 <= segment.start_s < segment.end_s:
        raise DatasetError(f"{path}:{number}: need stress 0 or 1 and start < end; got {row}")
    return segment


def _recording(folder: Path, name: str) -> Path:
    """The zip of the official layout, or the csv files unpacked."""
    for candidate in (folder / f"{name}_E4_Data.zip", folder / f"{name}_E4_Data", folder):
        if candidate.is_file() or (candidate.is_dir() and any(candidate.glob("*.csv"))):
            return candidate
    raise DatasetError(f"{folder}: need {name}_E4_Data.zip or the csv files of an E4")


@dataclass(frozen=True)
class LabelledWindows:
    """Which windows of a recording are scored, and as what.

    Attributes:
        index: shape (n,), indices into the stamps given.
        stress: shape (n,), 0 or 1.
        conditions: n names.
    """

    index: npt.NDArray[np.int64]
    stress: npt.NDArray[np.int64]
    conditions: tuple[str, ...]


def label_windows(
    segments: Sequence[Segment],
    end_s: npt.NDArray[np.floating],
    *,
    window_s: float,
    every_s: float,
    from_s: float = 0.0,
) -> LabelledWindows:
    """Choose the windows that lie wholly inside one segment.

    Args:
        segments: of one subject.
        end_s: shape (windows,), ends of the windows in seconds since the first BVP sample, rising.
        window_s: length of a window.
        every_s: least time between the ends of two chosen; `window_s`: no overlap.
        from_s: nothing before is chosen (the rest).
    """
    index, stress, conditions = [], [], []
    for segment in segments:
        first = max(segment.start_s, from_s) + window_s
        last = -np.inf
        for i in np.flatnonzero((end_s >= first - 1e-3) & (end_s <= segment.end_s + 1e-3)):
            if end_s[i] - last >= every_s - 1e-3:
                last = float(end_s[i])
                index.append(int(i))
                stress.append(segment.stress)
                conditions.append(segment.condition)
    return LabelledWindows(
        np.asarray(index, np.int64), np.asarray(stress, np.int64), tuple(conditions)
    )


def seconds_since_start(
    recording: E4Recording, stamps_ns: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Stamps as seconds since the recording's first BVP sample, shape (n,)."""
    return (np.asarray(stamps_ns, np.int64) - recording.start_ns) / NANOSECONDS
