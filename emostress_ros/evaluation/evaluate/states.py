"""States of the people in a bag as columns: small to keep, quick to search."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import (
    EMOTIONS,
    NANOSECONDS,
    UNKNOWN,
    Affect,
    ContributionStatus,
    StressLevel,
)
from emostress_ros.evaluation.report_data import AffectRecord, ContributionRecord

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
LABELS = (*EMOTIONS, UNKNOWN)


@dataclass(frozen=True)
class States:
    """N states in the order in which they became known.

    Attributes:
        people: names; `person` points into them.
        modalities: in the order of the columns of `weight` and `status`.
        at_ns: (N,) when each was known, sensor clock.
        stamp_ns: (N,) newest evidence used.
        person: (N,) index.
        emotion: (N,) index into `LABELS`.
        probabilities: (N, 7) in the order of `EMOTIONS`; NaN where emotion was not estimated.
        values: name to (N,): `valence`, `arousal`, `stress`, `confidence`, `stress_confidence`.
        level: (N,) value of `StressLevel`.
        weight: (N, M).
        status: (N, M) value of `ContributionStatus`.
    """

    people: tuple[str, ...]
    modalities: tuple[str, ...]
    at_ns: Ints
    stamp_ns: Ints
    person: npt.NDArray[np.int16]
    emotion: npt.NDArray[np.int8]
    probabilities: Floats
    values: Mapping[str, Floats]
    level: npt.NDArray[np.int8]
    weight: Floats
    status: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.at_ns)

    def of(self, name: str) -> States:
        """States of one person; empty where there is no such person."""
        index = self.people.index(name) if name in self.people else -1
        return self.chosen(self.person == index)

    def chosen(self, which: npt.NDArray[Any]) -> States:
        """Rows by mask or index."""
        return States(
            self.people, self.modalities, self.at_ns[which], self.stamp_ns[which],
            self.person[which], self.emotion[which], self.probabilities[which],
            {name: column[which] for name, column in self.values.items()},
            self.level[which], self.weight[which], self.status[which],
        )  # fmt: skip

    def used(self) -> dict[str, dict[str, int]]:
        """Person to sense to the number of their states that used it."""
        taken = self.status == ContributionStatus.USED
        return {
            name: dict(
                zip(self.modalities, taken[self.person == index].sum(axis=0).tolist(), strict=True)
            )
            for index, name in enumerate(self.people)
        }

    def labelled(self, person: str) -> States:
        """States that a label of `person` is about.

        Those under that id. Ids do not matter where people are reported on one after the other (a
        face that comes into view takes over what was sensed before); of several at a time, a label
        without an id is about the one with most states.
        """
        if person in self.people:
            return self.of(person)
        if self._one_at_a_time():
            return self
        counts = np.bincount(self.person, minlength=len(self.people))
        return self.of("" if person else self.people[int(np.argmax(counts))])

    def _one_at_a_time(self) -> bool:
        spans = [self.of(name).at_ns for name in self.people]
        ends = sorted((int(x[0]), int(x[-1])) for x in spans if len(x))
        return all(before[1] <= after[0] for before, after in itertools.pairwise(ends))

    def records(self) -> list[AffectRecord]:
        """The states as records for `plots`."""
        return [self._record(row) for row in range(len(self))]

    def _record(self, row: int) -> AffectRecord:
        known = not np.isnan(self.probabilities[row]).any()
        pairs = zip(EMOTIONS, self.probabilities[row].tolist(), strict=True) if known else ()
        values = {name: float(column[row]) for name, column in self.values.items()}
        given = {
            name: ContributionRecord(
                name, "", ContributionStatus(int(self.status[row, column])),
                float(self.weight[row, column]), float("nan"), float("nan"),
            )
            for column, name in enumerate(self.modalities)
        }  # fmt: skip
        return AffectRecord(
            stamp_s=self.at_ns[row] / NANOSECONDS,
            person_id=self.people[self.person[row]],
            emotion=LABELS[self.emotion[row]],
            probabilities=dict(pairs),
            stress_level=StressLevel(int(self.level[row])),
            latency_ms=(self.at_ns[row] - self.stamp_ns[row]) / 1e6,
            contributions=given,
            **values,
        )


VALUES = ("valence", "arousal", "stress", "confidence", "stress_confidence")


class StatesBuilder:
    """Collects states one by one.

    Args:
        modalities: senses whose contributions are kept.
    """

    def __init__(self, modalities: Sequence[str]) -> None:
        self._modalities = tuple(modalities)
        self._people: dict[str, int] = {}
        self._rows: list[tuple[Any, ...]] = []

    def add(self, at_ns: int, affect: Affect) -> None:
        """Take a state of the fusion that became known at `at_ns`."""
        given = {item.modality: (item.weight, int(item.status)) for item in affect.contributions}
        pairs = dict(zip(affect.labels, affect.probabilities.tolist(), strict=True))
        self._add(at_ns, affect.stamp_ns, affect, pairs, given)

    def add_record(self, record: AffectRecord) -> None:
        """Take a state of a recorded graph: it was known when it was published."""
        stamp_ns = round(record.stamp_s * NANOSECONDS)
        given = {name: (x.weight, int(x.status)) for name, x in record.contributions.items()}
        at_ns = stamp_ns + round(record.latency_ms * 1e6)
        self._add(at_ns, stamp_ns, record, record.probabilities, given)

    def _add(
        self,
        at_ns: int,
        stamp_ns: int,
        state: Affect | AffectRecord,
        probabilities: Mapping[str, float],
        given: Mapping[str, tuple[float, int]],
    ) -> None:
        person = self._people.setdefault(state.person_id, len(self._people))
        row = [probabilities.get(x, 0.0 if probabilities else np.nan) for x in EMOTIONS]
        missing = (0.0, int(ContributionStatus.MISSING))
        contributions = [given.get(name, missing) for name in self._modalities]
        self._rows.append(
            (
                at_ns, stamp_ns, person, LABELS.index(state.emotion), row,
                tuple(getattr(state, name) for name in VALUES), int(state.stress_level),
                [weight for weight, _ in contributions], [status for _, status in contributions],
            )
        )  # fmt: skip

    def build(self) -> States:
        """Everything that was taken, in the order of time."""
        rows = sorted(self._rows, key=lambda row: row[0])
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(9)]
        n, m = len(rows), len(self._modalities)
        values = np.array(columns[5], np.float32).reshape(n, len(VALUES))
        return States(
            tuple(self._people), self._modalities,
            np.array(columns[0], np.int64), np.array(columns[1], np.int64),
            np.array(columns[2], np.int16), np.array(columns[3], np.int8),
            np.array(columns[4], np.float32).reshape(n, len(EMOTIONS)),
            {name: values[:, place] for place, name in enumerate(VALUES)},
            np.array(columns[6], np.int8),
            np.array(columns[7], np.float32).reshape(n, m),
            np.array(columns[8], np.int8).reshape(n, m),
        )  # fmt: skip


def from_records(records: Iterable[AffectRecord], modalities: Sequence[str]) -> States:
    """States of a recorded session as columns."""
    builder = StatesBuilder(modalities)
    for record in records:
        builder.add_record(record)
    return builder.build()
