"""Quality falls with what makes speech hard to judge."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.modalities.voice.quality import NoiseFloor, level_dbfs, voice_quality

TONE = 0.3 * np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
VOICED = np.full(100, 200.0)


def test_levels_are_those_of_the_standard() -> None:
    assert level_dbfs(np.sin(2 * np.pi * np.arange(16_000) / 16)) == pytest.approx(-3.01, abs=0.01)
    assert level_dbfs(np.zeros(10)) == -100.0


def test_clean_speech_has_full_quality() -> None:
    assert voice_quality(TONE, VOICED, -70.0).value == pytest.approx(1.0)


def test_what_lowers_quality() -> None:
    assert voice_quality(TONE * 1e-3, VOICED, math.nan).value == 0.0
    assert voice_quality(np.sign(TONE), VOICED, math.nan).value == 0.0
    assert voice_quality(TONE, VOICED, -10.0).value == 0.0
    assert voice_quality(TONE, np.zeros(100), math.nan).value == 0.0


@given(st.floats(1e-6, 10.0), st.floats(-100.0, 0.0), st.floats(0.0, 1.0))
def test_quality_lies_between_0_and_1(gain: float, noise: float, voiced: float) -> None:
    f0 = np.where(np.arange(100) < 100 * voiced, 200.0, 0.0)
    assert 0.0 <= voice_quality(TONE * gain, f0, noise).value <= 1.0


def test_noise_floor_follows_the_room_and_not_a_muted_microphone() -> None:
    floor = NoiseFloor(0.032)
    floor.push(np.zeros(512))
    assert math.isnan(floor.dbfs)
    for _ in range(500):
        floor.push(np.full(512, 0.01))
    assert floor.dbfs == pytest.approx(-40.0, abs=0.1)
