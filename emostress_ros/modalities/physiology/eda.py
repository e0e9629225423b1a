"""Electrodermal activity: the slow level, the fast responses, and their count and size.

The level (tonic) is what a 0.05 Hz low-pass leaves, the responses (phasic) are the rest: the
split of Greco et al. and of most toolboxes, in its filter form. A skin conductance response is a
rise of at least 0.01 µS from onset to peak: Boucsein et al. (2012), "Publication recommendations
for electrodermal measurements", Psychophysiology 49.
"""

from __future__ import annotations

import numpy as np
from scipy import signal

from emostress_ros.modalities.physiology.filters import filter_both_ways, spread

_SMOOTH_HZ, _SPLIT_HZ = 1.0, 0.05
SCR_MIN_US = 0.01
SCR_MIN_GAP_S = 1.0


def decompose(eda_us: np.ndarray, sample_rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Split skin conductance into its level and its responses.

    Args:
        eda_us: shape (samples,), microsiemens, finite, at least 10 s.
        sample_rate_hz: rate of the samples.

    Returns:
        (tonic, phasic), both of shape (samples,), microsiemens; they sum to the smoothed signal.
    """
    smooth = filter_both_ways(eda_us, "lowpass", (_SMOOTH_HZ,), sample_rate_hz)
    # One slow sweep each way needs room to settle: mirror as much as the window gives.
    room = round(20.0 * sample_rate_hz)
    tonic = filter_both_ways(smooth, "lowpass", (_SPLIT_HZ,), sample_rate_hz, room)
    return tonic, smooth - tonic


def responses(smooth_us: np.ndarray, sample_rate_hz: float) -> np.ndarray:
    """Amplitudes of the skin conductance responses: shape (responses,), microsiemens."""
    peaks, found = signal.find_peaks(
        smooth_us,
        prominence=SCR_MIN_US,
        distance=max(1, round(SCR_MIN_GAP_S * sample_rate_hz)),
        wlen=round(20.0 * sample_rate_hz) | 1,
    )
    if len(peaks) == 0:
        return np.zeros(0)
    return smooth_us[peaks] - smooth_us[found["left_bases"]]


def eda_figures(eda_us: np.ndarray, sample_rate_hz: float) -> dict[str, float]:
    """Figures of one window of skin conductance; see `features.FEATURES` for the units."""
    tonic, phasic = decompose(eda_us, sample_rate_hz)
    smooth = tonic + phasic
    sizes = responses(smooth, sample_rate_hz)
    rate = np.diff(smooth) * sample_rate_hz
    minutes = len(eda_us) / sample_rate_hz / 60.0
    return {
        "eda_tonic": float(tonic.mean()),
        "eda_min": float(smooth.min()),
        "eda_max": float(smooth.max()),
        "eda_slope": float(_slope(tonic, sample_rate_hz)) * 60.0,
        "eda_std": spread(smooth),
        "eda_phasic": float(np.abs(phasic).mean()),
        "eda_rise": float(np.maximum(rate, 0.0).sum()) / sample_rate_hz / minutes,
        "eda_rate_std": spread(rate),
        "scr_peaks": int(np.count_nonzero(sizes >= SCR_MIN_US)) / minutes,
        "scr_peaks_large": int(np.count_nonzero(sizes >= 0.05)) / minutes,
        "scr_amplitude": float(sizes.mean()) if len(sizes) else 0.0,
        "scr_sum": float(sizes.sum()) / minutes,
    }


def _slope(values: np.ndarray, sample_rate_hz: float) -> float:
    """Least-squares slope, unit per second."""
    t = np.arange(len(values)) / sample_rate_hz
    t -= t.mean()
    return float(np.dot(t, values) / np.dot(t, t))
