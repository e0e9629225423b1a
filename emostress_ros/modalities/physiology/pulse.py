"""Shape of the pulse wave: amplitude, purity, skew. Vasoconstriction makes a pulse small.

Amplitudes have no unit of their own (they depend on the sensor and its contact), so that they
mean something only against the same person's resting baseline or recent past.
"""

from __future__ import annotations

import numpy as np

from emostress_ros.modalities.physiology.filters import detrend, hann, quantiles
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
    power = np.abs(np.fft.rfft(filtered * hann(len(filtered)), size)) ** 2
    hz = np.fft.rfftfreq(size, 1.0 / sample_rate_hz)
    inside = (hz >= _PULSE_HZ[0]) & (hz <= _PULSE_HZ[1])
    pulse = power[inside] / max(float(power[inside].sum()), 1e-12)
    centre = float(hz[inside][np.argmax(pulse)])
    total = max(float(power[(hz >= 0.5) & (hz < 8.0)].sum()), 1e-12)
    found = {"hr_spectral": 60.0 * centre}
    for harmonic, width, name in ((1, 0.12, "purity"), (2, 0.15, "second"), (3, 0.2, "third")):
        near = np.abs(hz - harmonic * centre) < width
        found[f"pulse_{name}"] = float(power[near].sum()) / total
    entropy = -float(np.sum(pulse * np.log(pulse + 1e-12)))
    found["pulse_entropy"] = entropy / float(np.log(len(pulse)))
    return found


def _moments(filtered: np.ndarray) -> dict[str, float]:
    """Skew and excess kurtosis; Elgendi (2016) names skew the best index of a clean pulse."""
    spread = float(filtered.std())
    if spread < 1e-9:
        return {}
    scaled = (filtered - filtered.mean()) / spread
    square = scaled * scaled
    return {
        "pulse_skew": float(np.mean(square * scaled)),
        "pulse_kurtosis": float(np.mean(square * square)) - 3.0,
    }


def _modulation(beats: Beats) -> dict[str, float]:
    """How the amplitude of the pulse swings, and with what breathing rate."""
    if len(beats.times_s) < 20:
        return {}
    grid = np.arange(beats.times_s[0], beats.times_s[-1], 0.25)
    logs = np.log(np.maximum(beats.amplitudes, 1e-6))
    even = detrend(np.interp(grid, beats.times_s, logs))
    power = np.abs(np.fft.rfft(even * hann(len(even)), 512)) ** 2
    hz = np.fft.rfftfreq(512, 0.25)
    breath = (hz > _BREATH_HZ[0]) & (hz < _BREATH_HZ[1])
    total = max(float(power.sum()), 1e-12)
    in_breath = max(float(power[breath].sum()), 1e-12)
    return {
        "modulation_hz": float((hz[breath] * power[breath]).sum()) / in_breath,
        "modulation": float(even.std()),
        "modulation_slow": float(power[hz < _BREATH_HZ[0]].sum()) / total,
    }
