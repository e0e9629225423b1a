"""Motion of the wrist: how much, how fast, how steadily."""

from __future__ import annotations

import numpy as np

from emostress_ros.modalities.physiology.filters import filter_both_ways

_BANDS_HZ = ((0.3, 1.0), (1.0, 3.0), (3.0, 8.0))
_BAND_NAMES = ("slow", "middle", "fast")


def motion_figures(acceleration_g: np.ndarray, sample_rate_hz: float) -> dict[str, float]:
    """Figures of one window of acceleration.

    Args:
        acceleration_g: shape (samples, 3), units of gravity, finite, at least 5 s.
        sample_rate_hz: rate of the samples.
    """
    moving = filter_both_ways(acceleration_g, "highpass", (0.3,), sample_rate_hz)
    power = np.sum(moving**2, axis=1)
    second = max(1, round(sample_rate_hz))
    whole = len(power) // second * second
    by_second = np.sqrt(power[:whole].reshape(-1, second).mean(axis=1))
    found = {
        "motion_rms": float(np.sqrt(power.mean())),
        "motion_median": float(np.median(by_second)),
        "motion_active": float(np.mean(by_second > 0.05)),
        "motion_still": float(np.mean(by_second < 0.01)),
    }
    spectrum = np.sum(np.abs(np.fft.rfft(moving, axis=0)) ** 2, axis=1)
    hz = np.fft.rfftfreq(len(moving), 1.0 / sample_rate_hz)
    scale = 2.0 / len(moving) ** 2
    for (low, high), name in zip(_BANDS_HZ, _BAND_NAMES, strict=True):
        found[f"motion_{name}"] = float(np.sqrt(spectrum[(hz >= low) & (hz < high)].sum() * scale))
    found["turned"] = float(np.linalg.norm(acceleration_g.std(axis=0)))
    return found
