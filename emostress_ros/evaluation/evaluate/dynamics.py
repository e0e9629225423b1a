"""How states move: how often they change, and how soon they follow a change of the truth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS, NANOSECONDS
from emostress_ros.evaluation.evaluate.labels import Label
from emostress_ros.evaluation.evaluate.states import States

HOLDS_S = 2.0
"""A state has followed once it has held for so long."""
_STRESSED = 0.5


def changes_per_minute(states: States) -> dict[str, float]:
    """Changes of the emotion's label and of the stress level, a minute and person."""
    minutes, emotion, level = 0.0, 0, 0
    for name in states.people:
        own = states.of(name)
        if len(own) < 2:
            continue
        steps = np.diff(own.at_ns) / NANOSECONDS
        near = steps <= 5.0  # a person who was away has not changed
        minutes += float(steps[near].sum()) / 60.0
        emotion += int(np.sum((np.diff(own.emotion) != 0) & near))
        level += int(np.sum((np.diff(own.level) != 0) & near))
    return {"minutes": minutes, "emotion_changes": emotion, "stress_level_changes": level}


def onsets(states: States, labels: Sequence[Label], zero_ns: int) -> list[dict[str, Any]]:
    """How long the state took to follow each labelled change.

    For stress, the beginning of a stretch whose label differs from the one before (or of a
    stressful first one): followed when the probability of stress stands on the right side of 0.5
    and stays for `HOLDS_S`. For emotion, the beginning of each labelled stretch: followed when the
    label is the right one and stays.

    Returns:
        one entry a change: `kind` (`stress`, `recovery`, `emotion`), `person`, `at_s` since zero,
        `delay_s` (None: not followed before the label's end) and `early`: it was so before.
    """
    found = []
    for person in sorted({label.person for label in labels}):
        own = states.labelled(person)
        mine = [label for label in labels if label.person == person]
        for kind, label, right in [*_stress_changes(own, mine), *_emotion_changes(own, mine)]:
            start_ns, end_ns = label.between_ns(zero_ns)
            delay_s, early = _follows(own.at_ns, right, start_ns, end_ns)
            found.append(
                {
                    "kind": kind, "person": person, "at_s": (start_ns - zero_ns) / NANOSECONDS,
                    "delay_s": None if math.isnan(delay_s) else delay_s, "early": early,
                }
            )  # fmt: skip
    return found


_Change = tuple[str, Label, npt.NDArray[np.bool_]]


def _stress_changes(own: States, labels: Sequence[Label]) -> list[_Change]:
    stated = [x for x in labels if not math.isnan(x.stress)]
    stressed = own.values["stress"] >= _STRESSED
    known = ~np.isnan(own.values["stress"])
    changes: list[_Change] = []
    befores: list[Label | None] = [None, *stated]
    for before, label in zip(befores, stated, strict=False):
        now = label.stress >= _STRESSED
        if before is None and now:
            changes.append(("stress", label, stressed & known))
        elif before is not None and now != (before.stress >= _STRESSED):
            right = stressed & known if now else ~stressed & known
            changes.append(("stress" if now else "recovery", label, right))
    return changes


def _emotion_changes(own: States, labels: Sequence[Label]) -> list[_Change]:
    stated = [x for x in labels if x.emotion]
    return [("emotion", x, own.emotion == EMOTIONS.index(x.emotion)) for x in stated]


def _follows(
    at_ns: npt.NDArray[np.int64], right: npt.NDArray[np.bool_], start_ns: int, end_ns: int
) -> tuple[float, bool]:
    """(delay in s or NaN, whether it was right before) of a state that turns right and stays."""
    inside = np.flatnonzero((at_ns >= start_ns) & (at_ns <= end_ns))
    if not len(inside):
        return math.nan, False
    first = int(inside[0])
    early = bool(first > 0 and right[first - 1] and right[first])
    for begin, stop in _runs(right[inside]):
        lasts = (at_ns[inside[stop]] - at_ns[inside[begin]]) / NANOSECONDS
        if lasts >= HOLDS_S or inside[stop] == inside[-1]:
            return max(0.0, float(at_ns[inside[begin]] - start_ns) / NANOSECONDS), early
    return math.nan, early


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, last) of each run of True."""
    runs, place = [], 0
    for value, group in itertools.groupby(flags.tolist()):
        size = len(list(group))
        if value:
            runs.append((place, place + size - 1))
        place += size
    return runs
