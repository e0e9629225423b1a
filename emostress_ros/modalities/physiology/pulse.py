"""Shape of the pulse wave: amplitude, purity, skew. Vasoconstriction makes a pulse small.

Amplitudes have no unit of their own (they depend on the sensor and its contact), so that they
mean something only against the same person's resting baseline or recent past.
"""

from __future__ import annotations

import math

import numpy as np

from emostress_ros.modalities.physiology.filters import (
    band,
    detrend,
    frequencies,
    hann,
    power_spectrum,
    quantiles,
    spread,
)
from emostress_ros.modalities.physiology.hrv import Beats

_PULSE_HZ = (0.7, 3.3)  # 42 to 198 beats a minute
_BREATH_HZ = (0.1, 0.6)


def pulse_figures(beats: Beats, sound: np.ndarray, sample_rate_hz: float) -> dict[str, float]:
    """Figures of the pulse wave of one window; see `features.FEATURES` for the units.

    Args:
        beats: of `hrv.find_beats`.
        sound: shape (beats - 1,), bool, of `hrv.clean_intervals`.
        sample_rate_hz: rate of the pulse wave.
    """
    found = _spectral(beats.filtered, sample_rate_hz) | _moments(beats.filtered)
    if len(beats.times_s) < 7:
        return found
    low, middle, high = quantiles(beats.amplitudes, 0.25, 0.5, 0.75)
    found["pulse_amplitude"] = middle
    found["pulse_amplitude_spread"] = (high - low) / max(middle, 1e-9)
    (found["pulse_rise"],) = quantiles(beats.rise_s, 0.5)
    if sound.sum() >= 5:
        share = beats.rise_s[1:][sound] / np.diff(beats.times_s)[sound]
        (found["pulse_rise_share"],) = quantiles(share, 0.5)
    return found | _modulation(beats)


def _spectral(filtered: np.ndarray, sample_rate_hz: float) -> dict[str, float]:
    """Heart rate of the strongest peak, and how much of the power lies at it and its harmonics."""
    size = 1 << (len(filtered) - 1).bit_length()
    power = power_spectrum(filtered * hann(len(filtered)), size)
    hz = frequencies(size, sample_rate_hz)
    inside = band(size, sample_rate_hz, *_PULSE_HZ)
    pulse = power[inside] / max(float(power[inside].sum()), 1e-12)
    centre = float(hz[inside.start + int(pulse.argmax())])
    total = max(float(power[band(size, sample_rate_hz, 0.5, 8.0)].sum()), 1e-12)
    found = {"hr_spectral": 60.0 * centre}
    for harmonic, width, name in ((1, 0.12, "purity"), (2, 0.15, "second"), (3, 0.2, "third")):
        first, end = hz.searchsorted((harmonic * centre - width, harmonic * centre + width))
        found[f"pulse_{name}"] = float(power[first:end].sum()) / total
    entropy = -float(np.dot(pulse, np.log(pulse + 1e-12)))
    found["pulse_entropy"] = entropy / math.log(len(pulse))
    return found


def _moments(filtered: np.ndarray) -> dict[str, float]:
    """Skew and excess kurtosis; Elgendi (2016) names skew the best index of a clean pulse."""
    width = spread(filtered)
    if width < 1e-9:
        return {}
    scaled = (filtered - filtered.mean()) / width
    square = scaled * scaled
    return {
        "pulse_skew": float(np.dot(square, scaled)) / len(scaled),
        "pulse_kurtosis": float(np.dot(square, square)) / len(scaled) - 3.0,
    }


def _modulation(beats: Beats) -> dict[str, float]:
    """How the amplitude of the pulse swings, and with what breathing rate."""
    if len(beats.times_s) < 20:
        return {}
    grid = np.arange(beats.times_s[0], beats.times_s[-1], 0.25)
    logs = np.log(np.maximum(beats.amplitudes, 1e-6))
    even = detrend(np.interp(grid, beats.times_s, logs))
    power = power_spectrum(even * hann(len(even)), 512)
    hz, breath = frequencies(512, 4.0), band(512, 4.0, *_BREATH_HZ)
    total = max(float(power.sum()), 1e-12)
    in_breath = max(float(power[breath].sum()), 1e-12)
    return {
        "modulation_hz": float(np.dot(hz[breath], power[breath])) / in_breath,
        "modulation": spread(even),
        "modulation_slow": float(power[: breath.start].sum()) / total,
    }
