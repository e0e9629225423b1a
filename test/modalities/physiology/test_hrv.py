"""Beats and variability of a pulse whose beats are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.modalities.physiology import hrv


@pytest.mark.parametrize("ibi_s", [0.45, 0.6, 0.8, 1.1, 1.4])
def test_every_beat_is_found_where_it_is(make_pulse, ibi_s: float) -> None:
    wave, times = make_pulse(60.0, ibi_s)
    found = hrv.find_beats(wave, 64.0).times_s
    inner = times[(times > 1.5) & (times < 58.5)]
    nearest = np.abs(found[:, None] - inner).min(axis=0)
    assert np.median(nearest) < 0.03
    assert len(found) == pytest.approx(len(times), abs=2)


def test_figures_of_known_intervals() -> None:
    ibi = np.tile([780.0, 820.0], 40)
    ends = np.cumsum(ibi) / 1000.0
    figures = hrv.hrv(ends, ibi, hrv.clean_intervals(ibi))
    assert figures["hr_mean"] == pytest.approx(75.05, abs=0.1)
    assert figures["rmssd"] == pytest.approx(40.0)
    assert figures["sdnn"] == pytest.approx(20.0)
    assert figures["pnn50"] == 0.0
    assert figures["pnn20"] == 1.0


def test_breathing_is_seen_in_the_high_band(make_pulse) -> None:
    _, times = make_pulse(60.0, 0.8, 0.04)
    ibi = np.diff(times) * 1000.0
    figures = hrv.hrv(times[1:], ibi, hrv.clean_intervals(ibi))
    assert figures["hf"] > 5 * figures["lf"]
    assert figures["breath_hz"] == pytest.approx(0.25, abs=0.04)


def test_a_missed_and_a_false_beat_do_not_count() -> None:
    ibi = np.full(60, 800.0)
    ibi[20], ibi[40], ibi[41] = 1600.0, 300.0, 500.0
    sound = hrv.clean_intervals(ibi)
    assert not sound[[20, 40, 41]].any()
    assert sound.sum() == 57
    figures = hrv.hrv(np.cumsum(ibi) / 1000.0, ibi, sound)
    assert figures["rmssd"] == pytest.approx(0.0, abs=1e-6)


@given(st.lists(st.floats(0, 5000), max_size=80))
def test_any_intervals_give_finite_figures(values: list[float]) -> None:
    ibi = np.asarray(values, np.float64)
    figures = hrv.hrv(np.cumsum(ibi) / 1000.0, ibi, hrv.clean_intervals(ibi))
    assert all(np.isfinite(value) for value in figures.values())


@pytest.mark.parametrize("wave", [np.zeros(3840), np.ones(3840), np.r_[np.zeros(1920), 1e6]])
def test_a_wave_without_pulse_has_hardly_a_beat(wave: np.ndarray) -> None:
    assert len(hrv.find_beats(wave, 64.0).times_s) < 6
