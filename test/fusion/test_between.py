from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.affect import EMOTIONS, Embedding
from emostress_ros.fusion import FusionConfig, FusionPipeline
from emostress_ros.fusion.between import between

SECOND = 1_000_000_000


def window(at_s: float, stress: float, value: float = 1.0, model: str = "wrist@1") -> Embedding:
    return Embedding(
        round(at_s * SECOND), "physiology", model, np.full(3, value, np.float32), 0.8,
        person_id="anna", stress=stress,
    )  # fmt: skip


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_what_lies_between_stays_between(one, other, fraction):
    mixed = between(window(1, one, 0.0), window(2, other, 1.0), fraction)
    low, high = sorted((one, other))
    assert low - 1e-9 <= mixed.stress <= high + 1e-9
    assert mixed.vector == pytest.approx(np.full(3, fraction), abs=1e-6)
    assert mixed.stamp_ns == 2 * SECOND


def test_two_encoders_are_not_mixed_and_the_unknown_is_not_made_up():
    before = window(1, 0.2)
    assert between(before, window(2, 0.8, model="wrist@2"), 0.5) is before
    assert between(before, replace(window(2, 0.8), vector=np.ones(4, np.float32)), 0.5) is before
    assert between(window(1, math.nan), window(2, 0.8), 0.5).stress == 0.8
    assert math.isnan(between(window(1, math.nan), window(2, math.nan), 0.5).stress)


@given(st.floats(0, 1), st.integers(0, 6), st.integers(0, 6))
def test_mixed_probabilities_are_probabilities(fraction, one, other):
    rows = np.eye(7, dtype=np.float32)
    faces = [
        replace(window(t, math.nan), labels=EMOTIONS, probabilities=rows[k])
        for t, k in ((1, one), (2, other))
    ]
    assert between(*faces, fraction).probabilities.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("interpolate", "steps"), [(("physiology",), True), ((), False)])
def test_a_slow_wearable_is_read_between_its_windows(interpolate, steps):
    config = FusionConfig(smoothing_s=0.0, interpolate=interpolate, deadline_s=2.0, rate_hz=5.0)
    pipeline = FusionPipeline(config)
    states = []
    for item in (window(10.0, 0.1), window(11.0, 0.9), window(12.0, 0.9)):
        pipeline.add(item, item.stamp_ns)
        states += pipeline.advance(item.stamp_ns)
    for later in range(20):
        states += pipeline.advance(12 * SECOND + later * SECOND // 5)
    rising = [s.stress for s in states if 0.3 < s.stress < 0.7]
    assert bool(rising) is steps
