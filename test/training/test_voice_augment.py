"""Changes of a voice: each moves what it says it moves, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros.modalities.voice.pitch import PitchStream
from emostress_ros.training.voice.augment import (
    add_noise,
    augment,
    change_rate,
    change_speed,
    mask,
    reverberate,
    shift_pitch,
)

TIME = np.arange(24_000) / 16_000
BUZZ = (0.1 * np.sign(np.sin(2 * np.pi * 150 * TIME))).astype(np.float32)


def f0(waveform: np.ndarray) -> float:
    rows = PitchStream().push(waveform)[5:-5, 0]
    return float(np.median(rows[rows > 0]))


def test_speed_moves_length_and_pitch() -> None:
    changed = change_speed(BUZZ, 1.25)
    assert len(changed) == pytest.approx(24_000 / 1.25, rel=0.01)
    assert f0(changed) == pytest.approx(150 * 1.25, rel=0.02)


@pytest.mark.parametrize("factor", [0.85, 1.2])
def test_rate_moves_length_alone(factor: float) -> None:
    changed = change_rate(BUZZ, factor)
    assert len(changed) == pytest.approx(24_000 / factor, rel=0.03)
    assert f0(changed) == pytest.approx(150, rel=0.02)
    assert np.std(changed) == pytest.approx(np.std(BUZZ), rel=0.2)


@pytest.mark.parametrize("semitones", [-3.0, 3.0])
def test_pitch_moves_pitch_alone(semitones: float) -> None:
    changed = shift_pitch(BUZZ, semitones)
    assert len(changed) == pytest.approx(24_000, rel=0.03)
    assert f0(changed) == pytest.approx(150 * 2 ** (semitones / 12), rel=0.03)


def test_a_room_rings_on() -> None:
    click = np.zeros(8_000, np.float32)
    click[100] = 1.0
    heard = reverberate(click, np.random.default_rng(0))
    assert heard[100] == pytest.approx(1.0, abs=0.2)
    assert not heard[:100].any() or np.abs(heard[:100]).max() < 1e-5
    early, late = (np.abs(heard[a:b]).mean() for a, b in ((101, 500), (3_000, 4_000)))
    assert early > 3 * late > 0


def test_noise_is_under_the_voice() -> None:
    noise = add_noise(BUZZ, np.random.default_rng(0)) - BUZZ
    snr_db = 20 * np.log10(np.std(BUZZ) / np.std(noise))
    assert 9.9 <= snr_db <= 30.1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(200, 20_000))
def test_a_change_is_finite_and_repeats(seed: int, length: int) -> None:
    waveform = np.random.default_rng(0).normal(0, 0.1, length).astype(np.float32)
    first, again = (augment(waveform, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.isfinite(first).all()
    assert 0.75 * length < len(first) < 1.35 * length


def test_masks_hide_one_stretch_and_no_prosody() -> None:
    frames = np.ones((200, 50, 10), np.float32)
    masked = mask(frames, 7, np.random.default_rng(0))
    for rows in masked:
        times, bands = (rows == 0).all(axis=1), (rows == 0).all(axis=0)
        assert times.sum() <= 10 and bands.sum() <= 1
        assert not bands[7:].any()
        assert np.count_nonzero(np.diff(times.astype(int))) <= 2
    hidden = (masked == 0).sum(axis=0)
    assert hidden[:, :7].min() > 0 and hidden[:, 7:].max() > 0
    assert frames.all()
