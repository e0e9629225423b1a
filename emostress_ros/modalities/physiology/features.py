"""The named features of one window: what a wearable tells about the last minute.

`extract` turns the samples of a window into a vector in the order of `FEATURES`. Quantities that
spread over decades (a skin conductance, a power) are taken as logarithms, so that a difference to
the resting baseline is a ratio. What cannot be had (no such sensor, too few beats) is NaN: nothing
is invented, the model learns what to do without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emostress_ros.modalities.physiology import hrv, quality
from emostress_ros.modalities.physiology.eda import eda_figures
from emostress_ros.modalities.physiology.motion import motion_figures
from emostress_ros.modalities.physiology.pulse import pulse_figures
from emostress_ros.modalities.physiology.temperature import temperature_figures

CHANNELS = ("heart", "pulse", "eda", "skin_temperature", "acceleration")
_ENOUGH = 0.5  # least share of valid samples for a channel to be read at all


@dataclass(frozen=True)
class Feature:
    """One entry of the feature vector.

    Attributes:
        name: its name.
        channel: the one of `CHANNELS` it is read from.
        unit: unit before the logarithm, if any.
        log_offset: the feature is ln(value + offset); 0: the value itself.
        meaning: what it says.
    """

    name: str
    channel: str
    unit: str
    log_offset: float
    meaning: str


FEATURES: tuple[Feature, ...] = (
    Feature("hr_mean", "heart", "1/min", 0, "mean heart rate"),
    Feature("hr_low", "heart", "1/min", 0, "10th percentile of the heart rate"),
    Feature("hr_high", "heart", "1/min", 0, "90th percentile of the heart rate"),
    Feature("hr_std", "heart", "1/min", 1e-2, "spread of the heart rate"),
    Feature("hr_slope", "heart", "1/min²", 0, "trend of the heart rate"),
    Feature("sdnn", "heart", "ms", 1e-2, "spread of the intervals"),
    Feature("rmssd", "heart", "ms", 1e-2, "root mean square of successive differences"),
    Feature("pnn50", "heart", "1", 0, "share of successive differences above 50 ms"),
    Feature("pnn20", "heart", "1", 0, "share of successive differences above 20 ms"),
    Feature("lf", "heart", "ms²", 1e-2, "power from 0.04 to 0.15 Hz"),
    Feature("hf", "heart", "ms²", 1e-2, "power from 0.15 to 0.5 Hz"),
    Feature("lf_share", "heart", "1", 0, "LF / (LF + HF)"),
    Feature("breath_hz", "heart", "Hz", 0, "centre of the HF band: breathing"),
    Feature("beats_sound", "pulse", "1", 0, "share of sound intervals"),
    Feature("hr_spectral", "pulse", "1/min", 0, "strongest peak of the pulse spectrum"),
    Feature("pulse_amplitude", "pulse", "au", 1e-2, "median amplitude of the pulse"),
    Feature("pulse_amplitude_spread", "pulse", "1", 1e-2, "its interquartile range over it"),
    Feature("pulse_rise", "pulse", "s", 0, "median time from trough to peak"),
    Feature("pulse_rise_share", "pulse", "1", 0, "the same over the interval"),
    Feature("pulse_skew", "pulse", "1", 0, "skew of the pulse wave"),
    Feature("pulse_kurtosis", "pulse", "1", 0, "excess kurtosis of the pulse wave"),
    Feature("pulse_purity", "pulse", "1", 1e-2, "share of power at the heart rate"),
    Feature("pulse_second", "pulse", "1", 1e-2, "share of power at its second harmonic"),
    Feature("pulse_third", "pulse", "1", 1e-2, "share of power at its third harmonic"),
    Feature("pulse_entropy", "pulse", "1", 0, "spectral entropy of the pulse"),
    Feature("modulation_hz", "pulse", "Hz", 0, "breathing rate in the pulse's amplitude"),
    Feature("modulation", "pulse", "1", 0, "swing of the log amplitude"),
    Feature("modulation_slow", "pulse", "1", 0, "share of the swing below 0.1 Hz"),
    Feature("eda_tonic", "eda", "µS", 0.05, "mean level"),
    Feature("eda_min", "eda", "µS", 0.05, "lowest value"),
    Feature("eda_max", "eda", "µS", 0.05, "highest value"),
    Feature("eda_slope", "eda", "µS/min", 0, "trend of the level"),
    Feature("eda_std", "eda", "µS", 0.005, "spread"),
    Feature("eda_phasic", "eda", "µS", 0.005, "mean size of the fast part"),
    Feature("eda_rise", "eda", "µS/min", 0.005, "sum of all rises"),
    Feature("eda_rate_std", "eda", "µS/s", 0.005, "spread of the rate of change"),
    Feature("scr_peaks", "eda", "1/min", 0, "skin conductance responses"),
    Feature("scr_peaks_large", "eda", "1/min", 0, "those of at least 0.05 µS"),
    Feature("scr_amplitude", "eda", "µS", 0.005, "mean amplitude of the responses"),
    Feature("scr_sum", "eda", "µS/min", 0.005, "sum of their amplitudes"),
    Feature("temp_mean", "skin_temperature", "°C", 0, "mean skin temperature"),
    Feature("temp_slope", "skin_temperature", "°C/min", 0, "its trend"),
    Feature("temp_std", "skin_temperature", "°C", 0.005, "its spread"),
    Feature("motion_rms", "acceleration", "g", 0.002, "motion above 0.3 Hz"),
    Feature("motion_median", "acceleration", "g", 0.002, "median over seconds"),
    Feature("motion_active", "acceleration", "1", 0, "share of seconds above 0.05 g"),
    Feature("motion_still", "acceleration", "1", 0, "share of seconds below 0.01 g"),
    Feature("motion_slow", "acceleration", "g", 0.002, "motion from 0.3 to 1 Hz"),
    Feature("motion_middle", "acceleration", "g", 0.002, "motion from 1 to 3 Hz"),
    Feature("motion_fast", "acceleration", "g", 0.002, "motion from 3 to 8 Hz"),
    Feature("turned", "acceleration", "g", 0.005, "spread of the axes: turns of the wrist"),
)
NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
_OFFSETS = np.array([feature.log_offset for feature in FEATURES])


@dataclass(frozen=True)
class Stretch:
    """The samples of one channel in a window.

    Attributes:
        samples: shape (samples, channels), NaN where invalid; see `signals`.
        sample_rate_hz: rate.
    """

    samples: np.ndarray
    sample_rate_hz: float


@dataclass(frozen=True)
class WindowSignals:
    """All that a person's wearables said in one window.

    Attributes:
        duration_s: length of the window.
        streams: signal name to its samples; `ibi` is not among them.
        ibi_ends_s: shape (beats,), end of each interval in seconds (any origin).
        ibi_ms: shape (beats,), intervals from the device.
    """

    duration_s: float
    streams: Mapping[str, Stretch]
    ibi_ends_s: np.ndarray
    ibi_ms: np.ndarray


@dataclass(frozen=True)
class WindowFeatures:
    """What one window tells.

    Attributes:
        values: shape (len(FEATURES),), float64, NaN where it cannot be had.
        channels: quality in [0, 1] of each channel that is there.
        quality: quality of the window as a whole, [0, 1].
    """

    values: np.ndarray
    channels: Mapping[str, float]
    quality: float


_MEASURES = {
    "heart_rate_bpm": "hr_mean",
    "hrv_rmssd_ms": "rmssd",
    "eda_tonic_microsiemens": "eda_tonic",
    "scr_peaks_per_min": "scr_peaks",
    "skin_temperature_celsius": "temp_mean",
}


def measures(values: np.ndarray) -> dict[str, float]:
    """Return the features that people read, in their units and without logarithm.

    Args:
        values: shape (len(FEATURES),), as in :class:`WindowFeatures`; what is NaN is left out.
    """
    found = {}
    for measure, name in _MEASURES.items():
        row = NAMES.index(name)
        value, offset = float(values[row]), float(_OFFSETS[row])
        if np.isfinite(value):
            found[measure] = max(0.0, np.exp(value) - offset) if offset else value
    return found


def extract(window: WindowSignals) -> WindowFeatures:
    """Compute the features and the quality of one window."""
    found: dict[str, float] = {}
    channels: dict[str, float] = {}
    _motion(window, found, channels)
    _heart(window, found, channels)
    _eda(window, found, channels)
    _temperature(window, found, channels)
    values = np.array([found.get(name, np.nan) for name in NAMES])
    logs = np.log(np.maximum(values, 0.0) + np.where(_OFFSETS > 0, _OFFSETS, 1.0))
    values = np.where(_OFFSETS > 0, logs, values)
    values[~np.isfinite(values)] = np.nan
    return WindowFeatures(values, channels, quality.overall(channels))


def read_stream(window: WindowSignals, name: str, least_s: float) -> tuple[np.ndarray, float]:
    """Samples of a stream with its holes bridged by straight lines, and its coverage [0, 1].

    Empty when less than half of the window, or less than `least_s` seconds, is valid.
    """
    stretch = window.streams.get(name)
    if stretch is None or not len(stretch.samples):
        return np.zeros((0, 1)), 0.0
    samples = stretch.samples.astype(np.float64)
    share = quality.coverage(samples, round(window.duration_s * stretch.sample_rate_hz))
    valid = np.isfinite(samples).all(axis=1)
    if share < _ENOUGH or valid.sum() < least_s * stretch.sample_rate_hz:
        return samples[:0], 0.0
    if not valid.all():
        at, know = np.arange(len(samples)), np.flatnonzero(valid)
        samples = np.stack([np.interp(at, know, axis[know]) for axis in samples.T], axis=1)
    return samples, share


def _motion(window: WindowSignals, found: dict[str, float], channels: dict[str, float]) -> None:
    samples, share = read_stream(window, "acceleration", 10.0)
    if share and not quality.flat(samples):
        rate = window.streams["acceleration"].sample_rate_hz
        found |= motion_figures(samples, rate)
        channels["acceleration"] = share


def _heart(window: WindowSignals, found: dict[str, float], channels: dict[str, float]) -> None:
    """From the pulse wave; else from the device's intervals; else from its heart rate."""
    samples, share = read_stream(window, "bvp", 10.0)
    if share and not quality.flat(samples):
        _heart_from_pulse(samples[:, 0], window.streams["bvp"].sample_rate_hz, found)
        motion = found.get("motion_rms", np.nan)
        purity = sum(found.get(f"pulse_{name}", 0.0) for name in ("purity", "second", "third"))
        sound = found.get("beats_sound", 0.0)
        channels["heart"] = share * quality.pulse_quality(sound, purity, motion)
    elif len(window.ibi_ms) >= 10:
        _heart_from_intervals(window, found, channels)
    else:
        samples, share = read_stream(window, "heart_rate", 10.0)
        if share:
            rate = window.streams["heart_rate"].sample_rate_hz
            found |= hrv.heart_rate_figures(np.arange(len(samples)) / rate, samples[:, 0])
            # A heart rate says nothing of its variability, so it is worth half a pulse.
            channels["heart"] = 0.5 * share


def _heart_from_pulse(bvp: np.ndarray, rate: float, found: dict[str, float]) -> None:
    beats = hrv.find_beats(bvp, rate)
    ibi_ms = np.diff(beats.times_s) * 1000.0
    sound = hrv.clean_intervals(ibi_ms)
    found["beats_sound"] = float(sound.mean()) if len(sound) else 0.0
    found |= pulse_figures(beats, sound, rate) | hrv.hrv(beats.times_s[1:], ibi_ms, sound)


def _heart_from_intervals(
    window: WindowSignals, found: dict[str, float], channels: dict[str, float]
) -> None:
    sound = hrv.clean_intervals(window.ibi_ms)
    found |= hrv.hrv(window.ibi_ends_s, window.ibi_ms, sound)
    covered = float(window.ibi_ms[sound].sum()) / 1000.0 / window.duration_s
    channels["heart"] = min(1.0, covered) * float(sound.mean())


def _eda(window: WindowSignals, found: dict[str, float], channels: dict[str, float]) -> None:
    samples, share = read_stream(window, "eda", 20.0)
    if not share:
        return
    good = quality.eda_quality(samples[:, 0])
    channels["eda"] = share * good
    # A loose electrode measures the air: its figures would look like a calm person.
    if good > 0.0:
        found |= eda_figures(samples[:, 0], window.streams["eda"].sample_rate_hz)


def _temperature(
    window: WindowSignals, found: dict[str, float], channels: dict[str, float]
) -> None:
    samples, share = read_stream(window, "skin_temperature", 20.0)
    if share:
        rate = window.streams["skin_temperature"].sample_rate_hz
        found |= temperature_figures(samples[:, 0], rate)
        channels["skin_temperature"] = share
