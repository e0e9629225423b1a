"""Figures of 60 s of pulse and skin conductance against neurokit2."""

from __future__ import annotations

import warnings

import numpy as np

from benchmarks import material
from benchmarks.result import Check, Row, duel
from benchmarks.timing import interleave
from emostress_ros.modalities.physiology.eda import eda_figures
from emostress_ros.modalities.physiology.hrv import clean_intervals, find_beats, hrv
from emostress_ros.modalities.physiology.pulse import pulse_figures

GROUP = "physiology"
Window = tuple[np.ndarray, float, np.ndarray, float]


def rows(seconds: float) -> list[Row]:
    """Return the wearable's rows."""
    windows, what = material.wearable_windows()
    first = windows[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        times = interleave(
            {"ours": lambda: ours(first), "lean": lambda: lean(first), "full": lambda: full(first)},
            seconds,
        )
        gaps = [_gaps(window) for window in windows]
        wrist = [_gaps(window) for window in material.wrist_windows()[5:65:6]]
    checks = (
        Check("heart rate [1/min]", max(gap[0] for gap in gaps), 1.0, at_most=True),
        Check("SCR count", max(gap[1] for gap in gaps), 1.0, at_most=True),
    )
    details = {
        "wrist": {
            "windows": len(wrist),
            "median heart rate gap [1/min]": float(np.median([gap[0] for gap in wrist])),
            "median SCR gap": float(np.median([gap[1] for gap in wrist])),
        }
        if wrist
        else {}
    }
    note = f"{len(windows)} windows: {what}"
    return [
        duel(GROUP, "HRV + EDA figures, 60 s", "neurokit2, lean functions", times["ours"],
             times["lean"], 10.0, checks, note, **details),
        duel(GROUP, "HRV + EDA figures, 60 s", "neurokit2, process + analyse", times["ours"],
             times["full"], 60.0, checks, note, **details),
    ]  # fmt: skip


def ours(window: Window) -> tuple[float, int]:
    """Return heart rate and number of responses, with all other figures computed on the way."""
    pulse, rate, skin, slow = window
    beats = find_beats(pulse, rate)
    intervals = np.diff(beats.times_s) * 1000.0
    sound = clean_intervals(intervals)
    heart = hrv(beats.times_s[1:], intervals, sound) | pulse_figures(beats, sound, rate)
    responses = eda_figures(skin, slow)
    minutes = len(skin) / slow / 60.0
    return heart.get("hr_mean", float("nan")), round(responses["scr_peaks"] * minutes)


def lean(window: Window) -> tuple[float, int]:
    """Return the same by neurokit2's single functions."""
    import neurokit2 as nk

    pulse, rate, skin, slow = window
    clean = nk.ppg_clean(pulse, sampling_rate=int(rate))
    peaks = nk.ppg_findpeaks(clean, sampling_rate=int(rate))["PPG_Peaks"]
    # What ours computes on the way too: variability in time and in frequency.
    nk.hrv_time(peaks, sampling_rate=int(rate))
    nk.hrv_frequency(peaks, sampling_rate=int(rate))
    phasic = nk.eda_phasic(skin, sampling_rate=int(slow))["EDA_Phasic"].to_numpy()
    _, found = nk.eda_peaks(phasic, sampling_rate=int(slow))
    return float(np.mean(60.0 * rate / np.diff(peaks))), len(found["SCR_Peaks"])


def full(window: Window) -> tuple[float, int]:
    """Return the same by neurokit2's process and analyse functions."""
    import neurokit2 as nk

    pulse, rate, skin, slow = window
    heart, _ = nk.ppg_process(pulse, sampling_rate=int(rate))
    nk.ppg_intervalrelated(heart, sampling_rate=int(rate))
    signals, found = nk.eda_process(skin, sampling_rate=int(slow))
    nk.eda_intervalrelated(signals, sampling_rate=int(slow))
    return float(heart["PPG_Rate"].mean()), len(found["SCR_Peaks"])


def _gaps(window: Window) -> tuple[float, int]:
    """Return how far ours is from the lean functions: heart rate, number of responses."""
    own, theirs = ours(window), lean(window)
    return abs(own[0] - theirs[0]), abs(own[1] - theirs[1])
