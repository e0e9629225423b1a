"""Bounded buffers of live signals: chunks in, the newest stretch of time out.

Radio links repeat, reorder and lose packets, and a bag that loops jumps back in time. A buffer
fills a gap with NaN, drops what it already has, and starts anew after a jump backwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emostress_ros.affect import NANOSECONDS
from emostress_ros.modalities.physiology.signals import Samples

# A packet's stamp wanders with the radio; below this the samples are taken as contiguous.
_JITTER_NS = NANOSECONDS // 4
# A stamp further back than this is no late packet but a clock that was set back.
_RESET_NS = 5 * NANOSECONDS


@dataclass
class Counts:
    """What a buffer had to mend, in samples (`resets`: in times)."""

    gaps: int = 0
    duplicates: int = 0
    resets: int = 0


class SampleBuffer:
    """The newest `capacity_s` seconds of one evenly sampled signal.

    Args:
        sample_rate_hz: samples a second.
        channels: channels a sample.
        capacity_s: how much to keep.

    Attributes:
        end_ns: stamp just behind the newest sample; None before the first.
        counts: what had to be mended.
    """

    def __init__(self, sample_rate_hz: float, channels: int, capacity_s: float) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.end_ns: int | None = None
        self.counts = Counts()
        self._keep = max(1, round(capacity_s * sample_rate_hz))
        # Twice the room: samples move once every `keep` samples, not with every chunk.
        self._ring = np.full((2 * self._keep, channels), np.nan, np.float32)
        self._filled = 0

    def add(self, stamp_ns: int, samples: Samples) -> bool:
        """Append a chunk whose first sample bears `stamp_ns`.

        Returns:
            False when the clock was set back, so that everything before was forgotten.
        """
        kept = True
        if self.end_ns is None:
            self.end_ns = stamp_ns
        ahead_ns = stamp_ns - self.end_ns
        length_ns = self._duration_ns(len(samples))
        if ahead_ns + length_ns < -_RESET_NS:
            kept = self._reset(stamp_ns)
        elif ahead_ns > _JITTER_NS:
            self._fill_gap(stamp_ns)
        elif ahead_ns < -_JITTER_NS:
            have = min(len(samples), round(-ahead_ns * self.sample_rate_hz / NANOSECONDS))
            self.counts.duplicates += have
            samples = samples[have:]
        self._append(samples)
        return kept

    def latest(self, end_ns: int, duration_s: float) -> Samples:
        """Samples of the `duration_s` before `end_ns`; fewer where fewer are kept."""
        if self.end_ns is None:
            return self._ring[:0]
        behind = round((self.end_ns - end_ns) * self.sample_rate_hz / NANOSECONDS)
        last = self._filled - max(0, behind)
        # Samples still to come count as part of the window: it ends at `end_ns`, not before.
        first = self._filled - behind - round(duration_s * self.sample_rate_hz)
        return self._ring[max(0, first) : max(0, last)]

    def _duration_ns(self, samples: int) -> int:
        return round(samples * NANOSECONDS / self.sample_rate_hz)

    def _reset(self, stamp_ns: int) -> bool:
        self._filled = 0
        self.end_ns = stamp_ns
        self.counts.resets += 1
        return False

    def _fill_gap(self, stamp_ns: int) -> None:
        assert self.end_ns is not None
        missing = round((stamp_ns - self.end_ns) * self.sample_rate_hz / NANOSECONDS)
        self.counts.gaps += missing
        hole = np.full((min(missing, self._keep), self._ring.shape[1]), np.nan, np.float32)
        self._append(hole)
        self.end_ns = stamp_ns

    def _append(self, samples: Samples) -> None:
        assert self.end_ns is not None
        self.end_ns += self._duration_ns(len(samples))
        samples = samples[-self._keep :]
        if self._filled + len(samples) > len(self._ring):
            keep = min(self._filled, self._keep)
            self._ring[:keep] = self._ring[self._filled - keep : self._filled].copy()
            self._filled = keep
        self._ring[self._filled : self._filled + len(samples)] = samples
        self._filled += len(samples)


class BeatBuffer:
    """The newest `capacity_s` seconds of inter-beat intervals.

    The intervals are their own clock: the stamp of a chunk is that of the beat that ends its
    first interval, each further beat comes its interval later.

    Attributes:
        end_ns: stamp of the newest beat; None before the first.
        counts: what had to be mended.
    """

    def __init__(self, capacity_s: float) -> None:
        self.end_ns: int | None = None
        self.counts = Counts()
        self._capacity_ns = round(capacity_s * NANOSECONDS)
        self._stamps = np.zeros(0, np.int64)
        self._ibi_ms = np.zeros(0, np.float32)

    def add(self, stamp_ns: int, samples: Samples) -> bool:
        """Append intervals in ms, shape (beats, 1); see `SampleBuffer.add`."""
        ibi = samples[:, 0]
        if not len(ibi):
            return True
        steps = np.r_[0.0, np.nan_to_num(ibi[1:].astype(np.float64))]
        stamps = stamp_ns + np.round(np.cumsum(steps) * 1e6).astype(np.int64)
        kept = True
        if self.end_ns is not None and stamps[-1] < self.end_ns - _RESET_NS:
            self._stamps, self._ibi_ms, self.end_ns = self._stamps[:0], self._ibi_ms[:0], None
            self.counts.resets += 1
            kept = False
        # Two beats are at least 0.2 s apart; what is nearer or earlier came before.
        new = stamps > (self.end_ns if self.end_ns is not None else -1) + NANOSECONDS // 5
        if self.end_ns is None:
            new = np.ones(len(stamps), bool)
        self.counts.duplicates += int(np.sum(~new))
        self._extend(stamps[new], ibi[new])
        return kept

    def latest(self, end_ns: int, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        """(end of each interval in s before `end_ns` as negative numbers, interval in ms)."""
        start_ns = end_ns - round(duration_s * NANOSECONDS)
        inside = (self._stamps > start_ns) & (self._stamps <= end_ns) & np.isfinite(self._ibi_ms)
        ends_s = (self._stamps[inside] - end_ns) / NANOSECONDS
        return ends_s, self._ibi_ms[inside].astype(np.float64)

    def _extend(self, stamps: np.ndarray, ibi_ms: np.ndarray) -> None:
        if not len(stamps):
            return
        self.end_ns = int(stamps[-1])
        recent = self._stamps > self.end_ns - self._capacity_ns
        self._stamps = np.r_[self._stamps[recent], stamps]
        self._ibi_ms = np.r_[self._ibi_ms[recent], ibi_ms]
