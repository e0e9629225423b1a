"""What a wearable may send, in which unit."""

from __future__ import annotations

import numpy as np
import pytest

from emostress_ros.errors import SignalError, StampError
from emostress_ros.modalities.physiology.signals import SIGNALS, prepare_chunk


@pytest.mark.parametrize(
    ("signal", "unit", "sent", "meant"),
    [
        ("eda", "uS", 2.0, 2.0),
        ("eda", "nS", 2000.0, 2.0),
        ("eda", "S", 2e-6, 2.0),
        ("eda", "kohm", 500.0, 2.0),
        ("skin_temperature", "K", 306.15, 33.0),
        ("skin_temperature", "degF", 91.4, 33.0),
        ("heart_rate", "Hz", 1.0, 60.0),
        ("ibi", "s", 0.8, 800.0),
    ],
)
def test_units_are_brought_to_one(signal: str, unit: str, sent: float, meant: float) -> None:
    chunk = prepare_chunk(signal, unit, 4.0, 1, [sent], 0)
    assert chunk.shape == (1, 1)
    assert chunk[0, 0] == pytest.approx(meant, rel=1e-5)


def test_acceleration_takes_three_axes_interleaved() -> None:
    chunk = prepare_chunk("acceleration", "m/s2", 32.0, 3, [0, 0, 9.80665] * 2, 0)
    assert chunk.tolist() == [[0, 0, 1]] * 2


@pytest.mark.parametrize(
    ("signal", "impossible"),
    [("eda", -1.0), ("skin_temperature", 382.18), ("heart_rate", 0.0), ("bvp", np.inf)],
)
def test_the_impossible_becomes_nan(signal: str, impossible: float) -> None:
    rate = SIGNALS[signal].rates_hz[1]
    chunk = prepare_chunk(signal, SIGNALS[signal].unit, rate, 1, [impossible], 0)
    assert np.isnan(chunk).all()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ecg", "mV", 64.0, 1, [1.0], 0), "bvp, eda"),
        (("eda", "volt", 4.0, 1, [1.0], 0), "'uS'"),
        (("bvp", "au", 0.0, 1, [1.0], 0), "20 to 1024"),
        (("bvp", "au", float("nan"), 1, [1.0], 0), "20 to 1024"),
        (("acceleration", "g", 32.0, 3, [1.0, 2.0], 0), "3 channel"),
        (("bvp", "au", 64.0, 2, [1.0, 2.0], 0), "1 channel"),
        (("eda", "uS", 4.0, 1, ["x"], 0), "numbers"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_allowed(arguments: tuple, says: str) -> None:
    with pytest.raises(SignalError, match=says):
        prepare_chunk(*arguments)


def test_a_negative_stamp_is_refused() -> None:
    with pytest.raises(StampError, match="-1"):
        prepare_chunk("eda", "uS", 4.0, 1, [1.0], -1)
