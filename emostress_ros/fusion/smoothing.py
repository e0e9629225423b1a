"""Smooths a person's state over time without letting an old one outlive its evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from emostress_ros.affect import EMOTIONS, UNKNOWN, Affect, StressLevel
from emostress_ros.fusion.belief import Belief
from emostress_ros.fusion.verdict import FusionStrategy, stress_confidence

_MARGIN = 0.1
_UNKNOWN_MARGIN = 0.05
_UNSURE_LOOKS = 2.0
Value = TypeVar("Value")


@dataclass(frozen=True)
class SmoothingTerms:
    """How a state is smoothed; times in seconds of the sensors.

    Attributes:
        emotion_look_s: evidence of emotion that lasts this long counts as one look; 0 passes
            everything through.
        emotion_lasts_s: how long an emotion lasts on average.
        stress_look_s: as of emotion; 0 passes everything through.
        stress_lasts_s: how long a person stays calm, or stressed, on average.
        stress_hold_s: a stress level is published once it has been found for this long.
    """

    emotion_look_s: float
    emotion_lasts_s: float
    stress_look_s: float
    stress_lasts_s: float
    stress_hold_s: float

    @property
    def off(self) -> bool:
        """Whether everything passes through."""
        return self.emotion_look_s == 0.0 or self.stress_look_s == 0.0


class Settled(Generic[Value]):
    """A value that gives way only to one that lasts.

    Args:
        unknown: the value that says nothing; it comes and goes at once.
        hold_s: how long another value has to last.
    """

    def __init__(self, unknown: Value, hold_s: float) -> None:
        self._unknown, self._hold_ns = unknown, round(1e9 * hold_s)
        self.value = unknown
        self._next, self._since_ns = unknown, 0

    def settle(self, found: Value, moment_ns: int) -> Value:
        """Return the value that counts, given what is found at a moment."""
        if found != self._next:
            self._next, self._since_ns = found, moment_ns
        at_once = self._unknown in (found, self.value)
        if at_once or moment_ns - self._since_ns >= self._hold_ns:
            self.value = found
        return self.value


class Smoother:
    """Smooths one person's affect, in the sensors' time.

    The emotion is the one that is believed of all evidence so far (see :mod:`.belief`), gives way
    to one that is clearly likelier, and is unknown where nothing is sure; a stress level changes
    with hysteresis, and to what lasts.
    Probabilities and the numbers are smoothed to first order: they stay what the fusion calibrated.
    What nothing speaks of any more is unknown at once.  A clock that goes back begins anew.

    Args:
        fusion: names the probabilities and grades the stress.
        terms: of the smoothing.
    """

    def __init__(self, fusion: FusionStrategy, terms: SmoothingTerms) -> None:
        self._fusion, self._terms = fusion, terms
        self._before: Affect | None = None
        self._moment_ns = 0
        self._begin()

    def _begin(self) -> None:
        terms = self._terms
        self._emotion = Belief(terms.emotion_lasts_s, terms.emotion_look_s)
        self._stress = Belief(terms.stress_lasts_s, terms.stress_look_s)
        self._named, self._sure_ns = UNKNOWN, 0
        self._each: list[float] = []
        self._level = Settled(StressLevel.UNKNOWN, terms.stress_hold_s)

    def smooth(self, affect: Affect, moment_ns: int) -> Affect:
        """Return the smoothed affect at ``moment_ns``."""
        if self._terms.off:
            return affect
        elapsed_s = (moment_ns - self._moment_ns) / 1e9 if self._before is not None else 0.0
        if elapsed_s < 0.0:  # the clock went back
            self._before, elapsed_s = None, 0.0
            self._begin()
        self._moment_ns = moment_ns
        self._before = self._believe(affect, elapsed_s)
        return self._before

    def _believe(self, now: Affect, elapsed_s: float) -> Affect:
        before = self._before or now
        gain = 1.0 - math.exp(-elapsed_s / self._terms.emotion_look_s)
        said: list[float] = now.probabilities.tolist()
        each, rest = said, 1.0 - gain
        if len(self._each) == len(said):
            each = [rest * p + gain * q for p, q in zip(self._each, said, strict=True)]
        self._each = each
        self._named = self._name(self._believed(said, elapsed_s), each)
        calm = 1.0 - math.exp(-elapsed_s / self._terms.stress_look_s)
        stress = _mix(before.stress, now.stress, calm)
        return Affect(
            stamp_ns=now.stamp_ns,
            person_id=now.person_id,
            emotion=self._named,
            labels=now.labels,
            probabilities=np.array(each, dtype=np.float32),
            valence=_mix(before.valence, now.valence, gain),
            arousal=_mix(before.arousal, now.arousal, gain),
            stress=stress,
            stress_level=self._graded(now.stress, elapsed_s),
            confidence=_confidence(self._named, each),
            stress_confidence=stress_confidence(stress),
            contributions=now.contributions,
        )

    def _believed(self, said: list[float], elapsed_s: float) -> list[float]:
        if not said:
            self._emotion.reset()
            return said
        return self._emotion.update(said, elapsed_s)

    def _graded(self, stress: float, elapsed_s: float) -> StressLevel:
        believed = stress
        if math.isnan(stress):
            self._stress.reset()
        else:
            believed = self._stress.update((1.0 - stress, stress), elapsed_s)[1]
        found = self._fusion.level(believed, self._level.value)
        return self._level.settle(found, self._moment_ns)

    def _name(self, believed: list[float], said: Sequence[float]) -> str:
        if not said or self._unsure(max(said)):
            return UNKNOWN
        best = believed.index(max(believed))
        if self._named == UNKNOWN:
            return EMOTIONS[best]
        # A label gives way only to one that is clearly likelier, lest two near-equals flicker.
        held = EMOTIONS.index(self._named)
        return EMOTIONS[best if believed[best] - believed[held] >= _MARGIN else held]

    def _unsure(self, confidence: float) -> bool:
        # A matter of the calibrated confidence: a belief in what is said again and again, without
        # being sure, grows all the same.  On the way from one emotion to another it passes.
        margin = 0.0 if self._before is None else _UNKNOWN_MARGIN
        unknown = self._named == UNKNOWN
        if confidence >= self._fusion.unknown_below + (margin if unknown else -margin):
            self._sure_ns = self._moment_ns
            return False
        lasting_s = (self._moment_ns - self._sure_ns) / 1e9
        return unknown or lasting_s >= _UNSURE_LOOKS * self._terms.emotion_look_s


def _confidence(emotion: str, probabilities: Sequence[float]) -> float:
    if not probabilities:
        return 0.0
    return max(probabilities) if emotion == UNKNOWN else probabilities[EMOTIONS.index(emotion)]


def _mix(before: float, now: float, gain: float) -> float:
    if math.isnan(before) or math.isnan(now):
        return now
    return (1.0 - gain) * before + gain * now
