"""The log-mel spectrogram is librosa's, and streaming changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros.modalities.voice.log_mel import LogMelStream, log_mel
from emostress_ros.modalities.voice.mel import LogMelOptions, hz_to_mel, mel_to_hz
from emostress_ros.modalities.voice.pitch import PitchStream

CUTS = st.lists(st.integers(0, 3000), min_size=1, max_size=40)


def sounds(length: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(length) / 16_000
    return 0.3 * np.sin(2 * np.pi * 180 * time) + 0.01 * rng.normal(size=length)


def pieces(waveform: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    edges = np.clip(np.cumsum(cuts), 0, len(waveform))
    return np.split(waveform, edges)


@pytest.mark.parametrize("n_mels", [40, 64])
def test_numbers_are_those_of_librosa(n_mels: int) -> None:
    librosa = pytest.importorskip("librosa")
    waveform = sounds(20_000)
    expected = librosa.power_to_db(
        librosa.feature.melspectrogram(
            y=waveform, sr=16_000, n_fft=512, hop_length=160, n_mels=n_mels,
            fmin=50.0, fmax=8_000.0, center=False,
        ),
        top_db=None,
    )  # fmt: skip
    got = log_mel(waveform, LogMelOptions(n_mels=n_mels))
    assert got.shape == (expected.shape[1], n_mels)
    assert np.abs(got - expected.T).max() <= 1e-3


@given(CUTS)
@settings(max_examples=30, deadline=None)
def test_chunk_sizes_do_not_change_the_frames(cuts: list[int]) -> None:
    waveform = sounds(8_000)
    mel, pitch = LogMelStream(), PitchStream()
    parts = pieces(waveform, cuts)
    streamed = np.concatenate([mel.push(part) for part in parts])
    prosody = np.concatenate([pitch.push(part) for part in parts])
    np.testing.assert_allclose(streamed, log_mel(waveform), atol=1e-4)
    np.testing.assert_allclose(prosody, PitchStream().push(waveform), atol=1e-3)


def test_digital_silence_is_minus_100_db() -> None:
    assert np.all(log_mel(np.zeros(1_000)) == -100.0)


def test_less_than_a_frame_gives_no_frame() -> None:
    assert log_mel(np.zeros(511)).shape == (0, 64)


@given(st.floats(0.0, 20_000.0))
def test_mel_scale_inverts(frequency: float) -> None:
    assert mel_to_hz(hz_to_mel(frequency)) == pytest.approx(frequency, abs=1e-6)


@pytest.mark.parametrize("f0", [80.0, 121.0, 233.0, 440.0])
def test_pitch_of_a_harmonic_tone(f0: float) -> None:
    time = np.arange(16_000) / 16_000
    tone = sum(np.sin(2 * np.pi * f0 * k * time) / k for k in (1, 2, 3))
    prosody = PitchStream().push(0.3 * tone)
    assert np.median(prosody[:, 0]) == pytest.approx(f0, rel=0.003)
    assert prosody[:, 1].min() > 0.9


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000)
    assert np.mean(PitchStream().push(noise)[:, 0] > 0) < 0.05
    silence = PitchStream().push(np.zeros(4_000))
    assert np.all(silence[:, :2] == 0) and np.all(silence[:, 2] == -100.0)
