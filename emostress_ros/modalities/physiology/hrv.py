"""Pulse: beats in a blood volume pulse, inter-beat intervals, heart-rate variability.

Beats are found with the two moving averages of Elgendi et al. (2013), "Systolic peak detection
in acceleration photoplethysmograms measured from emergency responders in tropical conditions",
PLoS ONE 8(10). Intervals that stray from their neighbours are dropped after Malik et al. (1996),
"Heart rate variability: standards of measurement", Eur. Heart J. 17, whose figures these are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from emostress_ros.modalities.physiology.filters import (
    band,
    detrend,
    filter_both_ways,
    frequencies,
    hann,
    power_spectrum,
    quantiles,
    spread,
)

_BAND_HZ = (0.5, 8.0)  # Elgendi 2013: the pass band of the pulse
_PEAK_S, _BEAT_S, _OFFSET = 0.111, 0.667, 0.02  # Elgendi 2013: w1, w2, beta
IBI_RANGE_MS = (300.0, 1600.0)  # 37 to 200 beats a minute
_NEIGHBOURS = np.arange(-5, 6)
_MALIK = 0.25  # largest departure from the neighbours' median (Malik: 0.2, for clean ECG)
_REFRACTORY_S = 0.3


@dataclass(frozen=True)
class Beats:
    """The beats of one window.

    Attributes:
        times_s: shape (beats,), seconds since the window's first sample, sub-sample resolution.
        amplitudes: shape (beats,), peak to the trough before it, in the signal's unit.
        rise_s: shape (beats,), from trough to peak, seconds.
        filtered: shape (samples,), the band-passed pulse.
    """

    times_s: np.ndarray
    amplitudes: np.ndarray
    rise_s: np.ndarray
    filtered: np.ndarray


def find_beats(bvp: np.ndarray, sample_rate_hz: float) -> Beats:
    """Find the systolic peaks of a blood volume pulse.

    Args:
        bvp: shape (samples,), any unit, finite; at least 2 s.
        sample_rate_hz: at least 16 Hz.
    """
    filtered = filter_both_ways(bvp, "bandpass", _BAND_HZ, sample_rate_hz)
    peaks = _elgendi(filtered, sample_rate_hz)
    if len(peaks) < 2:
        empty = np.zeros(0)
        return Beats(empty, empty, empty, filtered)
    troughs = _troughs(filtered, peaks)
    times = (peaks + _vertex(filtered, peaks)) / sample_rate_hz
    amplitudes = filtered[peaks] - filtered[troughs]
    return Beats(times, amplitudes, (peaks - troughs) / sample_rate_hz, filtered)


def _elgendi(filtered: np.ndarray, sample_rate_hz: float) -> np.ndarray:
    """Indices of one peak in each block where the short average tops the long one."""
    squared = np.square(np.maximum(filtered, 0.0))
    short = ndimage.uniform_filter1d(squared, max(1, round(_PEAK_S * sample_rate_hz)))
    long = ndimage.uniform_filter1d(squared, max(3, round(_BEAT_S * sample_rate_hz)))
    # The offset follows the local power, so that one artefact does not hide the quiet beats.
    offset = _OFFSET * ndimage.uniform_filter1d(squared, max(3, round(8.0 * sample_rate_hz)))
    above = np.zeros(len(filtered) + 2, np.bool_)
    np.greater(short, long + offset, out=above[1:-1])
    edges = np.flatnonzero(above[1:] != above[:-1])
    starts, ends = edges[::2], edges[1::2]
    wide = ends - starts >= round(_PEAK_S * sample_rate_hz)
    peaks = _lowest(-filtered, starts[wide], ends[wide])
    return _refractory(peaks, filtered, sample_rate_hz)


def _refractory(peaks: np.ndarray, filtered: np.ndarray, sample_rate_hz: float) -> np.ndarray:
    """Of two peaks closer than a heart can beat, keep the higher."""
    kept: list[int] = []
    for peak in peaks.tolist():
        if kept and peak - kept[-1] < _REFRACTORY_S * sample_rate_hz:
            if filtered[peak] > filtered[kept[-1]]:
                kept[-1] = peak
        else:
            kept.append(peak)
    return np.asarray(kept, np.int64)


def _troughs(filtered: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Index of the lowest sample between each peak and the one before."""
    starts = np.empty_like(peaks)
    starts[0], starts[1:] = max(0, 2 * peaks[0] - peaks[1]), peaks[:-1]
    return _lowest(filtered, starts, peaks + 1)


def _lowest(samples: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """First index of the lowest sample in each block [start, end), none of them empty."""
    if len(starts) == 0:
        return np.zeros(0, np.int64)
    # All blocks at once: the samples of one after another, and the lowest of each.
    lengths = ends - starts
    firsts = np.cumsum(lengths) - lengths
    at = np.arange(lengths.sum()) + np.repeat(starts - firsts, lengths)
    values = samples[at]
    lowest = np.flatnonzero(values == np.repeat(np.minimum.reduceat(values, firsts), lengths))
    return at[lowest[np.searchsorted(lowest, firsts)]]


def _vertex(filtered: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Offset of the parabola's vertex through each peak, in samples within [-0.5, 0.5]."""
    inner = np.clip(peaks, 1, len(filtered) - 2)
    left, mid, right = filtered[inner - 1], filtered[inner], filtered[inner + 1]
    bend = left - 2.0 * mid + right
    safe = np.where(np.abs(bend) > 1e-12, bend, -1.0)
    return np.clip(0.5 * (left - right) / safe, -0.5, 0.5)


def clean_intervals(ibi_ms: np.ndarray) -> np.ndarray:
    """Which intervals are sound: shape (beats,), bool.

    An interval is sound when a heart can make it and when it departs by less than a quarter from
    the median of the eleven round it.
    """
    if len(ibi_ms) == 0:
        return np.zeros(0, bool)
    possible = (ibi_ms >= IBI_RANGE_MS[0]) & (ibi_ms <= IBI_RANGE_MS[1])
    filled = np.where(possible, ibi_ms, np.median(ibi_ms[possible]) if possible.any() else 800.0)
    near = np.arange(len(filled))[:, None] + _NEIGHBOURS
    local = np.sort(filled[near.clip(0, len(filled) - 1)], axis=1)[:, len(_NEIGHBOURS) // 2]
    return possible & (np.abs(ibi_ms - local) < _MALIK * local)


def hrv(ends_s: np.ndarray, ibi_ms: np.ndarray, sound: np.ndarray) -> dict[str, float]:
    """Time- and frequency-domain variability; a figure with too few beats is NaN.

    Args:
        ends_s: shape (beats,), when each interval ended, seconds.
        ibi_ms: shape (beats,), intervals in milliseconds.
        sound: shape (beats,), bool, of `clean_intervals`.
    """
    good = ibi_ms[sound]
    if len(good) < 5:
        return {}
    # A difference counts only between two sound intervals that follow each other.
    pairs = sound[1:] & sound[:-1] & (np.abs(np.diff(ends_s) * 1000.0 - ibi_ms[1:]) < 50.0)
    steps = np.diff(ibi_ms)[pairs]
    found = heart_rate_figures(ends_s[sound], 60000.0 / good) | {"sdnn": spread(good)}
    if len(steps) >= 5:
        sizes = np.abs(steps)
        found["rmssd"] = math.sqrt(float(np.dot(steps, steps)) / len(steps))
        found["pnn50"] = int(np.count_nonzero(sizes > 50.0)) / len(steps)
        found["pnn20"] = int(np.count_nonzero(sizes > 20.0)) / len(steps)
    return found | _spectrum(ends_s[sound], good)


def heart_rate_figures(times_s: np.ndarray, rate_bpm: np.ndarray) -> dict[str, float]:
    """Level, spread and trend of a heart rate in beats a minute, from beats or from a strap."""
    t = times_s - times_s.mean()
    mean = float(rate_bpm.mean())
    low, high = quantiles(rate_bpm, 0.1, 0.9)
    return {
        "hr_mean": mean,
        "hr_std": spread(rate_bpm),
        "hr_low": low,
        "hr_high": high,
        "hr_slope": 60.0 * float(np.dot(t, rate_bpm) / max(float(np.dot(t, t)), 1e-9)),
    }


def _spectrum(ends_s: np.ndarray, ibi_ms: np.ndarray) -> dict[str, float]:
    """LF (0.04 to 0.15 Hz) and HF (0.15 to 0.5 Hz) power in ms², and the breathing peak."""
    if len(ends_s) < 20 or ends_s[-1] - ends_s[0] < 40.0:
        return {}
    grid = np.arange(ends_s[0], ends_s[-1], 0.25)
    even = detrend(np.interp(grid, ends_s, ibi_ms))
    taper = hann(len(even))
    power = power_spectrum(even * taper, 512) / (4.0 * float(np.dot(taper, taper)))
    hz = frequencies(512, 4.0)
    step = float(hz[1])
    low = float(power[band(512, 4.0, 0.04, 0.15)].sum()) * step
    in_high = band(512, 4.0, 0.15, 0.5)
    high = float(power[in_high].sum()) * step
    total = max(low + high, 1e-9)
    return {
        "lf": low,
        "hf": high,
        "lf_share": low / total,
        "breath_hz": float(np.dot(hz[in_high], power[in_high])) / max(high / step, 1e-9),
    }
