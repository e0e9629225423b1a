"""The resting baseline: what counts, when it is complete, and that it can be kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.errors import ParameterError, SignalError, StampError
from emostress_ros.person.baseline import RestingBaseline

S = 1_000_000_000
NAMES = ("hr_mean", "eda_tonic")


def fed(values: list[list[float]]) -> RestingBaseline:
    baseline = RestingBaseline(NAMES, 0, 120.0)
    for k, row in enumerate(values):
        baseline.add(k * S, (k + 60) * S, np.asarray(row))
    return baseline


@given(
    st.lists(
        st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3) | st.just(float("nan"))),
        min_size=2, max_size=60,
    )
)  # fmt: skip
def test_mean_and_spread_are_those_of_the_windows(rows: list[tuple[float, float]]) -> None:
    baseline = fed([list(row) for row in rows])
    table = np.asarray(rows)
    assert baseline.mean[0] == pytest.approx(table[:, 0].mean(), abs=1e-6)
    assert baseline.std[0] == pytest.approx(table[:, 0].std(ddof=1), abs=1e-6)
    seen = table[np.isfinite(table[:, 1]), 1]
    assert np.isnan(baseline.mean[1]) if not len(seen) else np.isfinite(baseline.mean[1])


def test_only_windows_of_the_rest_count() -> None:
    baseline = RestingBaseline(NAMES, 100 * S, 120.0)
    assert not baseline.add(30 * S, 90 * S, np.array([1.0, 1.0]))
    assert not baseline.add(80 * S, 140 * S, np.array([1.0, 1.0]))
    assert not baseline.add(100 * S, 160 * S, np.array([60.0, 2.0]))
    assert baseline.add(160 * S, 220 * S, np.array([62.0, 4.0]))
    baseline.add(165 * S, 225 * S, np.array([99.0, 99.0]))
    assert baseline.count == 2
    assert baseline.relative(np.array([65.0, np.nan]))[0] == pytest.approx(4.0)
    assert np.isnan(baseline.relative(np.array([65.0, np.nan]))[1])


def test_a_rest_nobody_measured_is_not_complete() -> None:
    baseline = RestingBaseline(NAMES, 0, 60.0)
    assert not baseline.add(500 * S, 560 * S, np.array([1.0, 1.0]))


def test_it_survives_a_file() -> None:
    baseline = fed([[60.0, np.nan], [62.0, np.nan], [64.0, np.nan]])
    again = RestingBaseline.from_dict(json.loads(json.dumps(baseline.to_dict())))
    assert again.to_dict() == baseline.to_dict()
    assert again.mean[0] == 62.0
    assert np.isnan(again.mean[1])


def test_a_damaged_file_is_named() -> None:
    kept = fed([[60.0, 1.0]]).to_dict()
    for broken in (
        {**kept, "format": 7},
        {**kept, "mean": [1.0]},
        {key: value for key, value in kept.items() if key != "m2"},
    ):
        with pytest.raises(SignalError):
            RestingBaseline.from_dict(broken)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(StampError):
        RestingBaseline(NAMES, -1, 60.0)
    with pytest.raises(ParameterError, match="duration_s"):
        RestingBaseline(NAMES, 0, 0.0)
    with pytest.raises(SignalError, match="2 features"):
        RestingBaseline(NAMES, 0, 60.0).add(0, S, np.zeros(3))
