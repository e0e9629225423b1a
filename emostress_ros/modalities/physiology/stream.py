"""One person's live signals: chunks in, the features of a window every step out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emostress_ros.affect import NANOSECONDS
from emostress_ros.modalities.physiology.buffer import BeatBuffer, Counts, SampleBuffer
from emostress_ros.modalities.physiology.features import (
    Stretch,
    WindowFeatures,
    WindowSignals,
    extract,
)
from emostress_ros.modalities.physiology.parameters import PhysiologyConfig
from emostress_ros.modalities.physiology.signals import Samples

_MARGIN_S = 30.0  # kept beyond a window: what may still come late


@dataclass(frozen=True)
class TimedFeatures:
    """The features of one window and when it was.

    Attributes:
        stamp_ns: end of the window, sensor clock.
        start_ns: its start.
        window: its features.
        device_id: devices that it came from, joined by `+`.
    """

    stamp_ns: int
    start_ns: int
    window: WindowFeatures
    device_id: str

    @property
    def duration_s(self) -> float:
        """Length of the window."""
        return (self.stamp_ns - self.start_ns) / NANOSECONDS


@dataclass
class _Source:
    """Who sends a signal, into what it goes, and when it was last heard."""

    device_id: str
    buffer: SampleBuffer | BeatBuffer
    heard_ns: int = 0


class PersonStream:
    """Signals of one person from any number of devices.

    A signal belongs to the device that sent it first; another device's takes its place when the
    first has been silent for `silent_s`.

    Attributes:
        newest_ns: newest stamp of any signal.
        resets: how often the clock was set back.
    """

    def __init__(self, config: PhysiologyConfig) -> None:
        self._config = config
        self._step_ns = round(config.step_s * NANOSECONDS)
        self._sources: dict[str, _Source] = {}
        self._begin_ns = 0
        self._next_ns = 0
        self.newest_ns = 0
        self.resets = 0

    def add(
        self, signal: str, sample_rate_hz: float, samples: Samples, stamp_ns: int, device_id: str
    ) -> bool:
        """Append a chunk that `signals.prepare_chunk` has checked.

        Returns:
            False when the clock was set back: all buffers were emptied.
        """
        if not len(samples):
            return True
        source = self._source(signal, sample_rate_hz, samples.shape[1], stamp_ns, device_id)
        if source is None:
            return True
        if not source.buffer.add(stamp_ns, samples):
            self._start_anew()
            self.resets += 1
            self.add(signal, sample_rate_hz, samples, stamp_ns, device_id)
            return False
        end_ns = source.buffer.end_ns
        assert end_ns is not None
        source.heard_ns = end_ns
        self.newest_ns = max(self.newest_ns, end_ns)
        return True

    def windows(self) -> Iterator[TimedFeatures]:
        """Yield the features of every window that is due, oldest first."""
        first = self._begin_ns + round(self._config.min_window_s * NANOSECONDS)
        self._next_ns = max(self._next_ns, first)
        self._skip_silence()
        while self._sources and self._due(self._next_ns):
            end_ns = self._next_ns
            self._next_ns += self._step_ns
            yield self._window(end_ns)

    @property
    def counts(self) -> dict[str, Counts]:
        """What had to be mended, by signal."""
        return {name: source.buffer.counts for name, source in self._sources.items()}

    def _source(
        self, signal: str, rate_hz: float, channels: int, stamp_ns: int, device_id: str
    ) -> _Source | None:
        """The source that a chunk goes to; None when another device holds the signal."""
        held = self._sources.get(signal)
        if held is not None and held.device_id != device_id:
            if stamp_ns - held.heard_ns < self._config.silent_s * NANOSECONDS:
                return None
            held = None
        if held is not None and isinstance(held.buffer, SampleBuffer):
            if abs(held.buffer.sample_rate_hz - rate_hz) > 1e-3 * rate_hz:
                held = None  # the device changed its rate
        if held is None:
            held = _Source(device_id, self._buffer(signal, rate_hz, channels))
            if not self._sources:
                self._begin_ns = self.newest_ns = stamp_ns
                self._next_ns = 0
            self._sources[signal] = held
        return held

    def _buffer(self, signal: str, rate_hz: float, channels: int) -> SampleBuffer | BeatBuffer:
        keep_s = self._config.window_s + self._config.lag_s + _MARGIN_S
        if signal == "ibi":
            return BeatBuffer(keep_s)
        return SampleBuffer(rate_hz, channels, keep_s)

    def _start_anew(self) -> None:
        self._sources.clear()
        self._next_ns = 0

    def _skip_silence(self) -> None:
        """After a long silence there is nothing to say of the time in between."""
        behind = self.newest_ns - self._next_ns
        limit = round((self._config.lag_s + _MARGIN_S) * NANOSECONDS)
        if behind > limit:
            self._next_ns += (behind - limit) // self._step_ns * self._step_ns + self._step_ns

    def _due(self, end_ns: int) -> bool:
        """Whether all live signals reach `end_ns`, or the newest is `lag_s` past it."""
        if self.newest_ns - end_ns >= self._config.lag_s * NANOSECONDS:
            return True
        silent_ns = self._config.silent_s * NANOSECONDS
        live = [s for s in self._sources.values() if self.newest_ns - s.heard_ns < silent_ns]
        # A beat comes when it comes: intervals are never waited for.
        waited = [s.heard_ns for s in live if isinstance(s.buffer, SampleBuffer)]
        return min(waited, default=self.newest_ns) >= end_ns

    def _window(self, end_ns: int) -> TimedFeatures:
        duration_s = self._config.window_s
        streams, devices = {}, []
        ends_s, ibi_ms = np.zeros(0), np.zeros(0)
        for signal, source in self._sources.items():
            if isinstance(source.buffer, BeatBuffer):
                ends_s, ibi_ms = source.buffer.latest(end_ns, duration_s)
                heard = len(ibi_ms) > 0
            else:
                samples = source.buffer.latest(end_ns, duration_s)
                streams[signal] = Stretch(samples, source.buffer.sample_rate_hz)
                heard = len(samples) > 0
            if heard and source.device_id not in devices:
                devices.append(source.device_id)
        start_ns = max(self._begin_ns, end_ns - round(duration_s * NANOSECONDS))
        signals = WindowSignals((end_ns - start_ns) / NANOSECONDS, streams, ends_s, ibi_ms)
        return TimedFeatures(end_ns, start_ns, extract(signals), "+".join(sorted(devices)))
