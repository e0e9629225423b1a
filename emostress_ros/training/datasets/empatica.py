"""Recordings of the Empatica E4 wristband in the manufacturer's export layout.

An export is a zip, or the same files in a folder: `BVP.csv` (64 Hz), `ACC.csv` (32 Hz, three
axes), `EDA.csv` and `TEMP.csv` (4 Hz), `HR.csv` (1 Hz) and `IBI.csv`. The first line of a file is
the Unix time of its first sample (UTC, seconds), the second its sample rate (Hz); `IBI.csv` has
no rate: each row is the time of a beat since the start (s) and the interval before it (s).
Source: the `info.txt` that Empatica puts into every export.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emostress_ros.errors import DatasetError

# (file, signal, unit, rate in Hz, channels); the signals and units are those of the wire.
_FILES = (
    ("BVP.csv", "bvp", "au", 64.0, 1),
    ("EDA.csv", "eda", "uS", 4.0, 1),
    ("TEMP.csv", "skin_temperature", "degC", 4.0, 1),
    ("ACC.csv", "acceleration", "g", 32.0, 3),
    ("HR.csv", "heart_rate", "bpm", 1.0, 1),
)
_ACC_PER_G = 64.0  # an E4 acceleration count is 1/64 g
_NS = 1_000_000_000


@dataclass(frozen=True)
class E4Signal:
    """One evenly sampled signal of a recording.

    Attributes:
        name: `bvp`, `eda`, `skin_temperature`, `acceleration` or `heart_rate`.
        unit: `au`, `uS`, `degC`, `g` or `bpm`.
        sample_rate_hz: samples a second.
        start_ns: time of the first sample, nanoseconds since the Unix epoch (UTC).
        data: shape (samples, channels), float32.
    """

    name: str
    unit: str
    sample_rate_hz: float
    start_ns: int
    data: np.ndarray

    @property
    def duration_s(self) -> float:
        """Length of the signal, in seconds."""
        return len(self.data) / self.sample_rate_hz

    def between(self, start_ns: int, end_ns: int) -> tuple[int, np.ndarray]:
        """Samples with `start_ns` <= stamp < `end_ns`: (stamp of the first, (n, channels))."""
        first = max(0, -int((self.start_ns - start_ns) * self.sample_rate_hz // _NS))
        last = max(first, -int((self.start_ns - end_ns) * self.sample_rate_hz // _NS))
        stamp = self.start_ns + round(first * _NS / self.sample_rate_hz)
        return stamp, self.data[first:last]


@dataclass(frozen=True)
class E4Recording:
    """A whole recording.

    Attributes:
        name: name of the zip or folder, for messages.
        start_ns: the first BVP sample (else the earliest signal), ns since the Unix epoch.
        signals: the evenly sampled signals by name; a file that the export lacks is absent.
        ibi_stamps_ns: shape (beats,), int64: when each beat ended its interval.
        ibi_ms: shape (beats,), float32: inter-beat intervals in milliseconds.
    """

    name: str
    start_ns: int
    signals: dict[str, E4Signal]
    ibi_stamps_ns: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    ibi_ms: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def duration_s(self) -> float:
        """From `start_ns` to the last sample of the longest signal, in seconds."""
        ends = [s.start_ns / _NS + s.duration_s for s in self.signals.values()]
        return max(ends) - self.start_ns / _NS


def read_e4(path: Path | str) -> E4Recording:
    """Read an Empatica E4 export, a zip or a folder.

    Args:
        path: the zip, or the folder that holds the csv files (also one folder further down).

    Raises:
        DatasetError: the path is missing, not a zip, holds no known file, or a file is empty,
            damaged or has another rate or number of columns than an E4 writes.
    """
    path = Path(path)
    texts = _texts(path)
    known = [name for name, *_ in _FILES]
    if not any(name in texts for name in known):
        found = ", ".join(sorted(texts)) or "no csv file"
        raise DatasetError(f"{path}: not an Empatica E4 export: need one of {known}, found {found}")
    signals = {
        signal: _signal(f"{path}:{name}", texts[name], signal, unit, rate, channels)
        for name, signal, unit, rate, channels in _FILES
        if name in texts
    }
    start = (
        signals["bvp"].start_ns if "bvp" in signals else min(s.start_ns for s in signals.values())
    )
    stamps, intervals = _ibi(f"{path}:IBI.csv", texts.get("IBI.csv", b""))
    name = path.stem if path.is_file() else path.name
    return E4Recording(name, start, signals, stamps, intervals)


def _texts(path: Path) -> dict[str, bytes]:
    """The csv files of an export by their base name."""
    if path.is_dir():
        files = sorted(path.glob("*.csv")) or sorted(path.glob("*/*.csv"))
        return {file.name: file.read_bytes() for file in files}
    if not path.is_file():
        raise DatasetError(f"{path}: no such Empatica E4 zip or folder")
    try:
        with zipfile.ZipFile(path) as archive:
            return dict(_members(archive))
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DatasetError(f"{path}: a damaged zip, or none: {error}") from error


def _members(archive: zipfile.ZipFile) -> Iterable[tuple[str, bytes]]:
    for info in archive.infolist():
        # macOS packs a resource fork of every file beside it; they bear the same names.
        if info.filename.endswith(".csv") and "__MACOSX" not in info.filename:
            yield Path(info.filename).name, archive.read(info)


def _signal(
    where: str, text: bytes, signal: str, unit: str, rate_hz: float, channels: int
) -> E4Signal:
    rows = _numbers(where, text, channels)
    if len(rows) < 3:
        raise DatasetError(f"{where}: need a start time, a rate and samples; got {len(rows)} lines")
    start_s, rate = float(rows[0, 0]), float(rows[1, 0])
    if not np.isclose(rate, rate_hz):
        raise DatasetError(f"{where}: an E4 samples {signal} at {rate_hz:g} Hz; got {rate:g}")
    _check_start(where, start_s)
    data = rows[2:].astype(np.float32)
    if signal == "acceleration":
        data /= _ACC_PER_G
    return E4Signal(signal, unit, rate, round(start_s * _NS), data)


def _numbers(where: str, text: bytes, channels: int) -> np.ndarray:
    """The rows of a csv as float64 of shape (rows, channels)."""
    if not text.strip():
        raise DatasetError(f"{where}: the file is empty")
    try:
        return np.loadtxt(
            io.BytesIO(text), delimiter=",", ndmin=2, dtype=np.float64, usecols=range(channels)
        )
    except ValueError as error:
        raise DatasetError(
            f"{where}: need {channels} numbers a line, comma-separated: {error}"
        ) from error


def _check_start(where: str, start_s: float) -> None:
    if not 0.0 < start_s < 4.0e9:
        raise DatasetError(f"{where}: need a Unix start time in seconds; got {start_s:g}")


def _ibi(where: str, text: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Stamps (ns) and intervals (ms); an empty file is a wearer whose pulse was never clean."""
    head, _, body = text.partition(b"\n")
    if not head.strip():
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    try:
        start_s = float(head.split(b",")[0])
    except ValueError as error:
        raise DatasetError(f"{where}: need a Unix start time first; got {head[:40]!r}") from error
    _check_start(where, start_s)
    if not body.strip():
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    rows = _numbers(where, body, 2)
    # float64 seconds since the epoch resolve 0.2 µs; nanoseconds are summed as integers.
    stamps = np.int64(round(start_s * _NS)) + np.round(rows[:, 0] * _NS).astype(np.int64)
    return stamps, (rows[:, 1] * 1000.0).astype(np.float32)
