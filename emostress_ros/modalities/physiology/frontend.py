"""Front end of physiology: chunks of samples in, views of feature windows out, for every person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostress_ros.modalities.physiology.buffer import Counts
from emostress_ros.modalities.physiology.features import NAMES
from emostress_ros.modalities.physiology.history import History
from emostress_ros.modalities.physiology.parameters import PhysiologyConfig
from emostress_ros.modalities.physiology.signals import prepare_chunk
from emostress_ros.modalities.physiology.stream import PersonStream, TimedFeatures
from emostress_ros.person.baseline import RestingBaseline

_WHOLE = 0.9  # share of a window's length from which its figures stand for a whole one


@dataclass(frozen=True)
class Views:
    """One window, seen in every way that a model may want.

    Attributes:
        timed: when it was and what was in it.
        by_name: view to a vector in the order of `features.NAMES`, NaN where missing; see
            `encoder.VIEWS`. `relative` is there only once the person's rest has been measured.
        quality: [0, 1]; a window that has only begun is worth its share of a whole one.
    """

    timed: TimedFeatures
    by_name: dict[str, npt.NDArray[np.float64]]
    quality: float


@dataclass
class _Person:
    """All that is kept of one person."""

    stream: PersonStream
    history: History
    baseline: RestingBaseline | None = None


class PhysiologyFrontEnd:
    """Buffers, features, past and resting baseline of every person.

    Args:
        config: see `PhysiologyConfig`.

    Attributes:
        windows: windows read so far.
        resets: clocks that were set back.
        evicted: people who made room for others.
    """

    def __init__(self, config: PhysiologyConfig) -> None:
        self.config = config
        self.windows = self.resets = self.evicted = 0
        self._persons: dict[str, _Person] = {}

    @property
    def persons(self) -> tuple[str, ...]:
        """People followed now."""
        return tuple(self._persons)

    def add(
        self,
        signal: str,
        unit: str,
        sample_rate_hz: float,
        channels: int,
        data: npt.ArrayLike,
        stamp_ns: int,
        person_id: str = "",
        device_id: str = "",
    ) -> None:
        """Take one chunk of one signal; see `signals.prepare_chunk` for the arguments.

        A chunk should last less than 30 s: of a longer one the older windows are lost.

        Raises:
            SignalError: unknown signal or unit, a rate or number of channels that cannot be.
            StampError: a negative stamp.
        """
        samples = prepare_chunk(signal, unit, sample_rate_hz, channels, data, stamp_ns)
        person = self._person(person_id)
        if not person.stream.add(signal, sample_rate_hz, samples, stamp_ns, device_id):
            self.resets += 1
            person.history = self._new_history()

    def views(self, person_id: str) -> Iterator[Views]:
        """Yield the windows of one person that are due, oldest first."""
        person = self._persons.get(person_id)
        if person is None:
            return
        for timed in person.stream.windows():
            self.windows += 1
            yield self._look(person, timed)

    def start_baseline(
        self, person_id: str, stamp_ns: int | None = None, duration_s: float | None = None
    ) -> RestingBaseline:
        """Begin to measure a person's rest; it replaces one measured before.

        Args:
            person_id: who rests.
            stamp_ns: when the rest begins, sensor clock; None: at the newest sample.
            duration_s: how long it lasts; default `config.baseline_s`.

        Raises:
            StampError, ParameterError: see `RestingBaseline`.
        """
        stamp_ns = self.newest_ns(person_id) if stamp_ns is None else stamp_ns
        duration_s = self.config.baseline_s if duration_s is None else duration_s
        baseline = RestingBaseline(NAMES, stamp_ns, duration_s)
        self._person(person_id).baseline = baseline
        return baseline

    def set_baseline(self, person_id: str, baseline: RestingBaseline | None) -> None:
        """Use a baseline that was measured before, or (None) forget it."""
        self._person(person_id).baseline = baseline

    def baseline(self, person_id: str) -> RestingBaseline | None:
        """Return a person's baseline, complete or not; None where none was begun."""
        person = self._persons.get(person_id)
        return person.baseline if person else None

    def newest_ns(self, person_id: str) -> int:
        """Return the newest stamp of a person's signals; 0 where none came."""
        person = self._persons.get(person_id)
        return person.stream.newest_ns if person else 0

    def mended(self, person_id: str) -> dict[str, Counts]:
        """Return what had to be mended in a person's signals: gaps, duplicates, resets."""
        person = self._persons.get(person_id)
        return person.stream.counts if person else {}

    def forget(self, person_id: str) -> bool:
        """Drop all that is kept of a person; return whether there was anything."""
        return self._persons.pop(person_id, None) is not None

    def reset(self) -> None:
        """Drop all signals and pasts; resting baselines stay, they belong to the person."""
        for person in self._persons.values():
            person.stream = PersonStream(self.config)
            person.history = self._new_history()

    def _new_history(self) -> History:
        return History(len(NAMES), self.config.step_s, self.config.history_s)

    def _person(self, person_id: str) -> _Person:
        if person_id not in self._persons:
            if len(self._persons) >= self.config.max_persons:
                self.forget(min(self._persons, key=self.newest_ns))
                self.evicted += 1
            self._persons[person_id] = _Person(PersonStream(self.config), self._new_history())
        return self._persons[person_id]

    def _look(self, person: _Person, timed: TimedFeatures) -> Views:
        values, baseline = timed.window.values, person.baseline
        share = min(1.0, timed.duration_s / self.config.window_s)
        rested = baseline is not None and baseline.complete
        # A window that has only begun would bias the past and the rest towards short windows.
        if share >= _WHOLE and np.isfinite(values).any():
            person.history.add(timed.stamp_ns, values)
            if baseline is not None:
                baseline.add(timed.start_ns, timed.stamp_ns, values)
        views = {
            "values": values,
            "rank": person.history.rank(values),
            "change": person.history.change(values),
        }
        # The window that ends the rest is still part of it, so it is not read against it.
        if baseline is not None and rested:
            views["relative"] = baseline.relative(values)
        return Views(timed, views, timed.window.quality * share)
