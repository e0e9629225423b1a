"""Skin temperature of the wrist: its level and where it is going."""

from __future__ import annotations

import numpy as np

RANGE_DEGC = (20.0, 42.0)  # outside: not worn, or a sensor's start-up value


def temperature_figures(skin_degc: np.ndarray, sample_rate_hz: float) -> dict[str, float]:
    """Figures of one window of skin temperature.

    Args:
        skin_degc: shape (samples,), degrees Celsius, finite, at least 10 s.
        sample_rate_hz: rate of the samples.
    """
    t = np.arange(len(skin_degc)) / sample_rate_hz
    t -= t.mean()
    return {
        "temp_mean": float(skin_degc.mean()),
        "temp_slope": float(np.dot(t, skin_degc) / np.dot(t, t)) * 60.0,
        "temp_std": float(skin_degc.std()),
    }
