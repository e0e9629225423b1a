"""The present against the past."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.modalities.physiology.history import History

S = 1_000_000_000


def filled(values: np.ndarray, capacity_s: float = 7200.0) -> History:
    history = History(1, 5.0, capacity_s)
    for k, value in enumerate(values):
        history.add(k * 5 * S, np.array([value]))
    return history


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=50))
def test_a_rank_lies_between_the_halves_and_orders_like_the_values(values: list[float]) -> None:
    history = filled(np.asarray(values))
    ranks = [float(history.rank(np.array([v]))[0]) for v in sorted(values)]
    assert all(-0.5 <= rank <= 0.5 for rank in ranks)
    assert ranks == sorted(ranks)


def test_a_short_past_hardly_counts_and_a_long_one_fully() -> None:
    top = np.array([1e6])
    short = filled(np.arange(3.0)).rank(top)[0]
    long = filled(np.arange(1000.0)).rank(top)[0]
    assert short < 0.1
    assert long > 0.45


def test_the_change_is_against_the_last_five_minutes() -> None:
    history = filled(np.r_[np.full(500, 100.0), np.full(60, 1.0)])
    assert history.change(np.array([3.0]))[0] == 2.0


def test_what_is_missing_stays_missing() -> None:
    history = filled(np.array([1.0, np.nan, 3.0]))
    assert np.isnan(history.rank(np.array([np.nan]))[0])
    assert history.change(np.array([4.0]))[0] == 2.0


def test_it_keeps_no_more_than_it_should() -> None:
    history = filled(np.arange(1000.0), capacity_s=100.0)
    assert history.rank(np.array([985.0]))[0] < 0.0
    nothing = filled(np.arange(10.0), capacity_s=0.0)
    assert len(nothing) == 0
    assert nothing.change(np.array([5.0]))[0] == 0.0
