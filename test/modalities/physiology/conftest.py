"""A synthetic wearer with known figures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest


def pulse(beats_s: np.ndarray, duration_s: float, rate_hz: float = 64.0) -> np.ndarray:
    """A pulse wave: a systolic and a smaller, later wave for every beat."""
    t = np.arange(int(duration_s * rate_hz)) / rate_hz
    wave = np.zeros(len(t))
    for beat in beats_s:
        wave += np.exp(-0.5 * ((t - beat) / 0.07) ** 2)
        wave += 0.3 * np.exp(-0.5 * ((t - beat - 0.3) / 0.09) ** 2)
    return 50.0 * wave


def beats(duration_s: float, ibi_s: float = 0.8, swing_s: float = 0.04) -> np.ndarray:
    """Times of beats whose intervals swing with a breathing of 0.25 Hz."""
    times = [0.5]
    while times[-1] < duration_s:
        times.append(times[-1] + ibi_s + swing_s * np.sin(2 * np.pi * 0.25 * times[-1]))
    return np.asarray(times[:-1])


@pytest.fixture
def make_pulse() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """(pulse wave at 64 Hz, times of its beats) of a given length and interval."""

    def make(duration_s: float = 60.0, ibi_s: float = 0.8, swing_s: float = 0.04):
        times = beats(duration_s, ibi_s, swing_s)
        return pulse(times, duration_s), times

    return make


@pytest.fixture
def wearer(make_pulse) -> dict[str, tuple[str, float, np.ndarray]]:
    """Signal to (unit, rate, samples (n, channels)) of five minutes of a calm wearer."""
    rng = np.random.default_rng(0)
    seconds = 300
    wave, _ = make_pulse(seconds)
    eda_t = np.arange(seconds * 4) / 4.0
    acceleration = rng.normal([0.0, 0.0, 1.0], 0.01, (seconds * 32, 3))
    return {
        "bvp": ("au", 64.0, (wave + rng.normal(0, 0.5, len(wave)))[:, None]),
        "eda": ("uS", 4.0, (2.0 + 0.1 * np.sin(0.3 * eda_t))[:, None]),
        "skin_temperature": ("degC", 4.0, (33.0 + 1e-4 * eda_t)[:, None]),
        "acceleration": ("g", 32.0, acceleration),
    }
