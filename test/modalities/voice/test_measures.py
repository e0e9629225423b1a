from __future__ import annotations

import numpy as np
import pytest

from emostress_ros.modalities.voice.encoder import prosody_measures
from emostress_ros.modalities.voice.pitch import PitchStream


def test_a_tone_is_measured_in_hertz_and_decibels():
    seconds = np.arange(16_000) / 16_000
    tone = (0.1 * np.sin(2 * np.pi * 220 * seconds)).astype(np.float32)
    found = prosody_measures(PitchStream().push(tone))
    assert found["pitch_hz"] == pytest.approx(220, rel=0.01)
    assert found["loudness_dbfs"] == pytest.approx(-23, abs=0.5)


def test_noise_has_no_pitch():
    hiss = 0.01 * np.random.default_rng(0).normal(size=16_000)
    silence = np.zeros(16_000)
    assert prosody_measures(PitchStream().push(silence.astype(np.float32))) == {}
    assert "pitch_hz" not in prosody_measures(PitchStream().push(hiss.astype(np.float32))[:2])
