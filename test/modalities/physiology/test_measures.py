from __future__ import annotations

import numpy as np
import pytest

from emostress_ros.modalities.physiology.features import (
    NAMES,
    Stretch,
    WindowSignals,
    extract,
    measures,
)


def test_what_people_read_comes_back_in_its_unit():
    seconds = np.arange(0, 60, 1 / 4)
    eda = 2.5 + 0.2 * np.sin(2 * np.pi * seconds / 30)[:, None]
    warm = 33.0 + 0.1 * np.sin(2 * np.pi * seconds / 60)[:, None]
    beats = np.arange(1, 75) * 0.8
    window = WindowSignals(
        60.0,
        {"eda": Stretch(eda, 4.0), "skin_temperature": Stretch(warm, 4.0)},
        beats,
        np.full(len(beats), 800.0),
    )
    found = measures(extract(window).values)
    assert found["heart_rate_bpm"] == pytest.approx(75.0, abs=0.5)
    assert found["eda_tonic_microsiemens"] == pytest.approx(2.5, abs=0.02)
    assert found["skin_temperature_celsius"] == pytest.approx(33.0, abs=0.02)


def test_what_is_missing_is_not_measured():
    assert measures(np.full(len(NAMES), np.nan)) == {}
