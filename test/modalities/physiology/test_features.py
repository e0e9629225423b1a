"""Features and quality of a window, whatever is in it."""

from __future__ import annotations

import numpy as np
import pytest

from emostress_ros.modalities.physiology import eda, quality
from emostress_ros.modalities.physiology.features import (
    CHANNELS,
    FEATURES,
    NAMES,
    Stretch,
    WindowSignals,
    extract,
)

NONE = np.zeros(0)


def window(wearer: dict, *names: str, seconds: int = 60) -> WindowSignals:
    streams = {
        name: Stretch(samples[: int(seconds * rate)].astype(np.float32), rate)
        for name, (_, rate, samples) in wearer.items()
        if name in names
    }
    return WindowSignals(60.0, streams, NONE, NONE)


def known(values: np.ndarray) -> set[str]:
    return {FEATURES[i].channel for i in np.flatnonzero(np.isfinite(values))}


def test_a_calm_wearer_gives_every_feature(wearer: dict) -> None:
    found = extract(window(wearer, *wearer))
    assert np.isfinite(found.values).all(), np.array(NAMES)[~np.isfinite(found.values)]
    assert found.values[NAMES.index("hr_mean")] == pytest.approx(75, abs=1)
    assert found.values[NAMES.index("eda_tonic")] == pytest.approx(np.log(2.05), abs=0.02)
    assert found.quality > 0.9


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("bvp", {"heart", "pulse"}),
        ("eda", {"eda"}),
        ("skin_temperature", {"skin_temperature"}),
        ("acceleration", {"acceleration"}),
    ],
)
def test_one_sensor_alone_gives_its_own_features(wearer: dict, name: str, channels: set) -> None:
    found = extract(window(wearer, name))
    assert known(found.values) == channels
    assert 0 < found.quality < 0.6


def test_a_heart_rate_strap_alone_is_enough() -> None:
    rate = 70.0 + np.sin(np.arange(60) / 5.0)
    streams = {"heart_rate": Stretch(rate[:, None].astype(np.float32), 1.0)}
    found = extract(WindowSignals(60.0, streams, NONE, NONE))
    assert known(found.values) == {"heart"}
    assert found.values[NAMES.index("hr_mean")] == pytest.approx(70, abs=1)
    assert 0.1 < found.quality < 0.3


def test_intervals_alone_give_variability() -> None:
    ibi = np.tile([780.0, 820.0], 37)
    found = extract(WindowSignals(60.0, {}, np.cumsum(ibi) / 1000.0, ibi))
    assert np.exp(found.values[NAMES.index("rmssd")]) == pytest.approx(40, rel=0.01)


def test_nothing_gives_nothing() -> None:
    found = extract(WindowSignals(60.0, {}, NONE, NONE))
    assert np.isnan(found.values).all()
    assert found.quality == 0.0


@pytest.mark.parametrize("broken", ["nan", "flat", "zero"])
def test_a_dead_sensor_tells_nothing(wearer: dict, broken: str) -> None:
    whole = window(wearer, *wearer)
    value = {"nan": np.nan, "flat": 7.0, "zero": 0.0}[broken]
    dead = {
        name: Stretch(stretch.samples * 0 + value, stretch.sample_rate_hz)
        for name, stretch in whole.streams.items()
    }
    found = extract(WindowSignals(60.0, dead, NONE, NONE))
    assert found.quality <= quality.WEIGHTS["skin_temperature"] + 1e-9
    assert "heart" not in known(found.values)


def test_noise_and_motion_lower_the_quality(wearer: dict) -> None:
    calm = extract(window(wearer, "bvp", "acceleration"))
    rng = np.random.default_rng(0)
    shaken = dict(wearer)
    shaken["bvp"] = ("au", 64.0, rng.normal(0, 50, (64 * 300, 1)))
    shaken["acceleration"] = ("g", 32.0, rng.normal(0, 0.5, (32 * 300, 3)))
    assert extract(window(shaken, "bvp", "acceleration")).quality < 0.5 * calm.quality


def test_lost_contact_lowers_the_quality_of_skin_conductance() -> None:
    good = 2.0 + 0.1 * np.sin(np.arange(240) / 10.0)
    half = good.copy()
    half[:120] = 0.01
    assert quality.eda_quality(good) == 1.0
    assert quality.eda_quality(half) < 0.6
    assert quality.eda_quality(np.full(240, 0.01)) == 0.0


def test_short_holes_are_bridged_and_long_ones_not(wearer: dict) -> None:
    samples = wearer["eda"][2][:240].astype(np.float32).copy()
    samples[50:70] = np.nan
    streams = {"eda": Stretch(samples, 4.0)}
    assert known(extract(WindowSignals(60.0, streams, NONE, NONE)).values) == {"eda"}
    samples[50:200] = np.nan
    assert extract(WindowSignals(60.0, streams, NONE, NONE)).quality == 0.0


def test_responses_are_counted() -> None:
    t = np.arange(240) / 4.0
    skin = np.full(240, 2.0)
    for onset in (5.0, 20.0, 35.0, 50.0):
        after = np.maximum(t - onset, 0.0)
        skin += 0.4 * (np.exp(-after / 4.0) - np.exp(-after / 0.8)) * (t > onset)
    figures = eda.eda_figures(skin, 4.0)
    assert figures["scr_peaks"] == 4
    assert figures["scr_amplitude"] == pytest.approx(0.22, abs=0.06)


def test_the_table_of_features_is_complete() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert {feature.channel for feature in FEATURES} == set(CHANNELS)
    assert all(feature.unit and feature.meaning for feature in FEATURES)
