"""Moments that are scored: what was true and what was known then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS, NANOSECONDS
from emostress_ros.evaluation.evaluate.labels import Label
from emostress_ros.evaluation.evaluate.states import VALUES, States

HOLD_S = 1.0
"""A state older than this, and than two and a half periods of the fusion, is no answer."""


@dataclass(frozen=True)
class Moments:
    """The N moments of a bag that are scored.

    Attributes:
        at_ns: (N,) sensor clock.
        label: (N,) index of the label that holds.
        person: (N,) names as in the labels.
        truth: `emotion` to (N,) index into `EMOTIONS` or -1; `stress`, `valence`, `arousal` to
            (N,) or NaN.
    """

    at_ns: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    person: npt.NDArray[np.str_]
    truth: Mapping[str, npt.NDArray[np.float32]]

    def __len__(self) -> int:
        return len(self.at_ns)


@dataclass(frozen=True)
class Answers:
    """What was known at N moments; NaN and -1 where nothing was.

    Attributes:
        probabilities: (N, 7).
        emotion: (N,) index into `LABELS` of `states`, -1: no state.
        values: as in `States`.
        level: (N,) value of `StressLevel`, -1: no state.
        weight: (N, M) of the senses.
    """

    probabilities: npt.NDArray[np.float32]
    emotion: npt.NDArray[np.int8]
    values: Mapping[str, npt.NDArray[np.float32]]
    level: npt.NDArray[np.int8]
    weight: npt.NDArray[np.float32]


def moments(
    labels: Sequence[Label],
    zero_ns: int,
    end_ns: int,
    *,
    every_s: float,
    settle_s: float,
    unscored: Mapping[str, tuple[int, int]] | None = None,
) -> Moments:
    """Choose the moments of a bag that are scored.

    Args:
        labels: of the bag.
        zero_ns: what they count from.
        end_ns: when the bag ends; what is labelled beyond is not scored.
        every_s: time between two moments.
        settle_s: nothing is scored so soon after the beginning of a label.
        unscored: person to a stretch of time that is left out, such as the rest.
    """
    step_ns = round(every_s * NANOSECONDS)
    at, which = [], []
    for index, label in enumerate(labels):
        start_ns, stop_ns = label.between_ns(zero_ns)
        first = start_ns + round(settle_s * NANOSECONDS) + step_ns
        for moment in range(first, min(stop_ns, end_ns) + 1, step_ns):
            begin, end = (unscored or {}).get(label.person, (0, 0))
            if not begin <= moment < end:
                at.append(moment)
                which.append(index)
    chosen = [labels[index] for index in which]
    emotions = [EMOTIONS.index(x.emotion) if x.emotion else -1 for x in chosen]
    truth = {"emotion": np.array(emotions, np.float32)}
    for name in ("stress", "valence", "arousal"):
        truth[name] = np.array([getattr(label, name) for label in chosen], np.float32)
    people = np.array([label.person for label in chosen], np.str_)
    return Moments(np.array(at, np.int64), np.array(which, np.int64), people, truth)


def answers(states: States, asked: Moments, hold_s: float = HOLD_S) -> Answers:
    """What was known of each person at each moment: the newest state that was out by then."""
    n = len(asked)
    result = Answers(
        np.full((n, len(EMOTIONS)), np.nan, np.float32),
        np.full(n, -1, np.int8),
        {name: np.full(n, np.nan, np.float32) for name in VALUES},
        np.full(n, -1, np.int8),
        np.zeros((n, len(states.modalities)), np.float32),
    )
    for person in sorted(set(asked.person.tolist())):
        rows = np.flatnonzero(asked.person == person)
        own = states.labelled(person)
        last = np.searchsorted(own.at_ns, asked.at_ns[rows], side="right") - 1
        fresh = last >= 0
        fresh[fresh] = asked.at_ns[rows][fresh] - own.at_ns[last[fresh]] <= hold_s * NANOSECONDS
        to, source = rows[fresh], last[fresh]
        result.probabilities[to] = own.probabilities[source]
        result.emotion[to], result.level[to] = own.emotion[source], own.level[source]
        result.weight[to] = own.weight[source]
        for name, column in result.values.items():
            column[to] = own.values[name][source]
    return result
