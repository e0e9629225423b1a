"""A stretch of a wearable's recording, cut into messages' worth of samples."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import MediaError
from emostress_ros.training.datasets.empatica import E4Recording, E4Signal, read_e4

CHUNK_S = 0.5
"""Seconds of one signal in one message."""
_WIRE_UNIT = {"au": "1"}


@dataclass(frozen=True)
class WearableBlock:
    """Samples of one signal.

    Attributes:
        offset_ns: time of the first sample from the start of the stretch; negative in the lead-in.
        signal: `bvp`, `eda`, `skin_temperature`, `acceleration`, `heart_rate` or `ibi`.
        unit: unit on the wire.
        sample_rate_hz: samples a second; 0 for `ibi`, whose beats are uneven.
        samples: (n, channels) float32.
        device_id: the wearable.
    """

    offset_ns: int
    signal: str
    unit: str
    sample_rate_hz: float
    samples: npt.NDArray[np.float32]
    device_id: str

    @property
    def duration_ns(self) -> int:
        """From the first to the last sample."""
        if self.sample_rate_hz <= 0.0:
            return 0
        return round((len(self.samples) - 1) * NANOSECONDS / self.sample_rate_hz)


class WearableStretch:
    """The seconds `start_s` to `start_s + duration_s` of an Empatica E4 recording, and a lead-in.

    Args:
        path: E4 zip or folder.
        start_s: where the stretch begins, seconds since the first BVP sample.
        duration_s: its length; None: to the end of the recording.
        lead_s: seconds before `start_s` that come with it, so that a window is full when the
            stretch begins; less where the recording begins later.

    Raises:
        MediaError: `start_s` is negative or lies beyond the recording's end.
        DatasetError: the recording cannot be read.
    """

    def __init__(
        self, path: Path | str, start_s: float, duration_s: float | None, lead_s: float
    ) -> None:
        """Read the recording and choose the stretch; see the class."""
        self.recording: E4Recording = read_e4(path)
        length_s = self.recording.duration_s
        if not 0.0 <= start_s < length_s:
            raise MediaError(
                f"{path}: start must lie in [0, {length_s:.1f}) s, the recording's length; "
                f"got {start_s:g} s"
            )
        self.lead_s = min(lead_s, start_s)
        self.duration_s = min(length_s - start_s, duration_s or length_s)
        self.start_ns = self.recording.start_ns + round(start_s * NANOSECONDS)

    def blocks(self, chunk_s: float = CHUNK_S) -> Iterator[WearableBlock]:
        """Blocks of every signal in order of their last sample."""
        signals = [self._signal(signal, chunk_s) for signal in self.recording.signals.values()]
        yield from heapq.merge(*signals, self._beats(), key=lambda b: b.offset_ns + b.duration_ns)

    def _bounds_ns(self) -> tuple[int, int]:
        lead_ns = round(self.lead_s * NANOSECONDS)
        return self.start_ns - lead_ns, self.start_ns + round(self.duration_s * NANOSECONDS)

    def _signal(self, signal: E4Signal, chunk_s: float) -> Iterator[WearableBlock]:
        first_ns, samples = signal.between(*self._bounds_ns())
        size = max(1, round(chunk_s * signal.sample_rate_hz))
        unit = _WIRE_UNIT.get(signal.unit, signal.unit)
        for begin in range(0, len(samples), size):
            after_ns = round(begin * NANOSECONDS / signal.sample_rate_hz)
            yield WearableBlock(
                first_ns - self.start_ns + after_ns, signal.name, unit, signal.sample_rate_hz,
                samples[begin : begin + size].astype(np.float32), self.recording.name,
            )  # fmt: skip

    def _beats(self) -> Iterator[WearableBlock]:
        """One block for every inter-beat interval, stamped with the beat that ended it."""
        begin_ns, end_ns = self._bounds_ns()
        stamps = self.recording.ibi_stamps_ns
        for index in np.flatnonzero((stamps >= begin_ns) & (stamps < end_ns)):
            yield WearableBlock(
                int(stamps[index]) - self.start_ns, "ibi", "ms", 0.0,
                self.recording.ibi_ms[index : index + 1, None].astype(np.float32),
                self.recording.name,
            )  # fmt: skip
