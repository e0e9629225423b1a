"""Smooths a person's state over time without letting an old one outlive its evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from emostress_ros.affect import EMOTIONS, UNKNOWN, Affect, StressLevel
from emostress_ros.fusion.verdict import FusionStrategy, stress_confidence

_MARGIN = 0.1
_UNKNOWN_MARGIN = 0.05


class Smoother:
    """First-order smoothing of one person's affect, in the sensors' time.

    Args:
        fusion: names the smoothed probabilities and grades the smoothed stress.
        time_constant_s: 0 passes everything through.
    """

    def __init__(self, fusion: FusionStrategy, time_constant_s: float) -> None:
        self._fusion = fusion
        self._constant_s = time_constant_s
        self._before: Affect | None = None
        self._moment_ns = 0

    def smooth(self, affect: Affect, moment_ns: int) -> Affect:
        """Return the smoothed affect at ``moment_ns``."""
        before, elapsed_s = self._before, (moment_ns - self._moment_ns) / 1e9
        gain = self._gain(elapsed_s) if before is not None else 1.0
        self._moment_ns = moment_ns
        self._before = affect if before is None else self._blend(before, affect, gain)
        return self._before

    def _gain(self, elapsed_s: float) -> float:
        if elapsed_s < 0.0 or self._constant_s == 0.0:  # the clock went back: begin anew
            return 1.0
        return 1.0 - math.exp(-elapsed_s / self._constant_s)

    def _blend(self, before: Affect, now: Affect, gain: float) -> Affect:
        each, rest = now.probabilities.tolist(), 1.0 - gain
        if len(before.probabilities) == len(each):
            earlier = before.probabilities.tolist()
            each = [rest * p + gain * q for p, q in zip(earlier, each, strict=True)]
        emotion = self._keep_or_change(before.emotion, each, gain)
        stress = _mix(before.stress, now.stress, gain)
        level = before.stress_level if gain < 1.0 else StressLevel.UNKNOWN
        return Affect(
            stamp_ns=now.stamp_ns,
            person_id=now.person_id,
            emotion=emotion,
            labels=now.labels,
            probabilities=np.array(each, dtype=np.float32),
            valence=_mix(before.valence, now.valence, gain),
            arousal=_mix(before.arousal, now.arousal, gain),
            stress=stress,
            stress_level=self._fusion.level(stress, level),
            confidence=_confidence(emotion, each),
            stress_confidence=stress_confidence(stress),
            contributions=now.contributions,
        )

    def _keep_or_change(self, before: str, probabilities: Sequence[float], gain: float) -> str:
        # A label gives way only to one that is clearly likelier, and to *unknown* only when it is
        # clearly unsure, lest two near-equals flicker.
        name = self._fusion.name(probabilities)
        if gain == 1.0 or name == before or not probabilities:
            return name
        least = self._fusion.unknown_below
        if before == UNKNOWN:
            return name if max(probabilities) >= least + _UNKNOWN_MARGIN else before
        held = probabilities[EMOTIONS.index(before)]
        if name == UNKNOWN:
            return before if held >= least - _UNKNOWN_MARGIN else name
        return before if probabilities[EMOTIONS.index(name)] - held < _MARGIN else name


def _confidence(emotion: str, probabilities: Sequence[float]) -> float:
    if not probabilities:
        return 0.0
    return max(probabilities) if emotion == UNKNOWN else probabilities[EMOTIONS.index(emotion)]


def _mix(before: float, now: float, gain: float) -> float:
    if math.isnan(before) or math.isnan(now):
        return now
    return (1.0 - gain) * before + gain * now
