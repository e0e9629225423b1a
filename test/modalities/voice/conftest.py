"""Synthetic speech for the tests: a buzz through wandering formants, in syllables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.signal

VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))
"""First three formants of a, i, u, e in Hz (Peterson and Barney 1952)."""

Speech = Callable[..., np.ndarray]


def synthetic_speech(seconds: float, rate: int = 16_000, seed: int = 0) -> np.ndarray:
    """Return (n,) float64 samples in [-1, 1] that voice activity detection takes for speech."""
    rng = np.random.default_rng(seed)
    syllables = [_syllable(index, rate, rng) for index in range(int(np.ceil(seconds / 0.2)))]
    return 0.4 * np.concatenate(syllables)[: int(seconds * rate)]


def _syllable(index: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    time = np.arange(int(0.2 * rate)) / rate
    f0 = 120 + 25 * np.sin(2 * np.pi * (index * 0.2 + time) * 0.7)
    pulses = np.diff(np.floor(np.cumsum(f0) / rate), prepend=0) > 0
    sound = pulses + 0.03 * rng.normal(size=len(time))
    for formant in VOWELS[index % len(VOWELS)]:
        radius, angle = np.exp(-np.pi * 90 / rate), 2 * np.pi * formant / rate
        feedback = [1, -2 * radius * np.cos(angle), radius**2]
        sound = scipy.signal.lfilter([1 - radius], feedback, sound)
    sound = sound * np.sin(np.pi * time / 0.2) ** 0.5
    return sound / np.abs(sound).max()


@pytest.fixture(scope="session")
def speech() -> Speech:
    """Make synthetic speech: ``speech(seconds, rate=16000, seed=0)``."""
    return synthetic_speech
