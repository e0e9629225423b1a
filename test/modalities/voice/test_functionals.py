"""The functionals say of a voice what it was made with."""

from __future__ import annotations

import numpy as np
import pytest

from emostress_ros.modalities.voice.functionals import smooth_f0, voice_functionals
from emostress_ros.modalities.voice.log_mel import LogMelOptions, log_mel, mfcc

RATE_HZ = 16_000


def voice(f0: float, seconds: float = 2.0, jitter: float = 0.0, shimmer: float = 0.0):
    """Smooth pulses; each period and peak off by a random share."""
    rng = np.random.default_rng(0)
    periods = RATE_HZ / f0 * (1.0 + jitter * rng.normal(size=round(seconds * f0)))
    heights = 1.0 + shimmer * rng.normal(size=len(periods))
    time = np.arange(round(seconds * RATE_HZ), dtype=np.float64)
    wave = np.zeros(len(time))
    shape = np.arange(-48, 49)
    for at, height in zip(np.cumsum(periods), heights, strict=True):
        first = int(np.ceil(at))
        t = (first - at + shape) / RATE_HZ
        pulse = height * np.exp(-0.5 * (t / 6e-4) ** 2) * np.cos(2 * np.pi * 300.0 * t)
        inside = (first + shape >= 0) & (first + shape < len(wave))
        wave[first + shape[inside]] += pulse[inside]
    steps, peaks = np.diff(periods), np.diff(heights)
    true = np.abs(steps).mean() / periods.mean(), np.abs(peaks).mean() / heights.mean()
    return (0.3 * wave).astype(np.float32), true


@pytest.mark.parametrize("f0", [90.0, 140.0, 230.0, 320.0])
def test_pitch_and_a_steady_voice(f0):
    waveform, _ = voice(f0)
    found = voice_functionals(waveform)
    assert found.f0_hz == pytest.approx(f0, rel=0.01)
    assert found.f0_semitones == pytest.approx(12 * np.log2(f0 / 27.5), abs=0.2)
    assert found.voiced_share > 0.95
    assert found.jitter < 0.004


@pytest.mark.parametrize("amount", [0.01, 0.02, 0.04])
def test_jitter_and_shimmer_are_those_that_were_put_in(amount):
    waveform, (jitter, _) = voice(140.0, jitter=amount)
    assert voice_functionals(waveform).jitter == pytest.approx(jitter, rel=0.25)
    waveform, (_, shimmer) = voice(140.0, shimmer=amount)
    assert voice_functionals(waveform).shimmer == pytest.approx(shimmer, rel=0.35, abs=0.01)


def test_loudness_grows_with_level_less_than_in_proportion():
    waveform, _ = voice(140.0)
    quiet, loud = voice_functionals(0.1 * waveform), voice_functionals(waveform)
    assert loud.loudness / quiet.loudness == pytest.approx(100**0.33, rel=0.02)
    assert loud.jitter == pytest.approx(quiet.jitter, abs=1e-3)


@pytest.mark.parametrize("samples", [0, 100, 767, 800, 16_000])
def test_silence_of_any_length_has_no_pitch_and_no_jitter(samples):
    found = voice_functionals(np.zeros(samples, np.float32))
    assert np.isnan([found.f0_hz, found.jitter, found.shimmer]).all()
    assert found.voiced_share == 0.0


def test_a_single_octave_slip_is_mended_and_the_edges_of_voicing_stay():
    f0 = np.array([0, 100, 101, 202, 102, 103, 0], np.float32)
    assert smooth_f0(f0).tolist() == [0, 100, 101, 102, 103, 103, 0]


def test_cepstral_coefficients_are_those_of_librosa():
    librosa = pytest.importorskip("librosa")
    levels = log_mel(voice(140.0)[0], LogMelOptions(n_mels=40))
    expected = librosa.feature.mfcc(S=levels.T.astype(np.float64), n_mfcc=13)
    assert np.abs(mfcc(levels) - expected.T).max() <= 1e-3
