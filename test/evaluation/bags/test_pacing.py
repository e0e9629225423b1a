from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import ParameterError
from emostress_ros.evaluation.bags.pacing import Flow, Pacer

rates = st.floats(0.1, 100.0)


@given(rates, rates, st.integers(0, 100), st.lists(st.integers(0, 200 * NANOSECONDS), min_size=2))
def test_time_only_goes_forward_and_both_ways_agree(rate, lead_rate, lead_s, times) -> None:
    start_ns = 1_735_689_600 * NANOSECONDS
    pacer = Pacer(start_ns, start_ns + lead_s * NANOSECONDS, rate, lead_rate)
    due = [pacer.due_s(start_ns + offset) for offset in sorted(times)]
    assert due == sorted(due)
    for offset, seconds in zip(sorted(times), due, strict=True):
        assert abs(pacer.clock_ns(seconds) - start_ns - offset) < 1e5


def test_a_lead_in_has_a_pace_of_its_own() -> None:
    pacer = Pacer(0, 60 * NANOSECONDS, 0.5, 20.0)
    assert pacer.due_s(60 * NANOSECONDS) == pytest.approx(3.0)
    assert pacer.due_s(61 * NANOSECONDS) == pytest.approx(5.0)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_rates_are_checked(rate: float) -> None:
    with pytest.raises(ParameterError, match="rate must be a finite number > 0"):
        Pacer(0, 0, rate, 1.0)


@given(st.integers(0, 1000), st.integers(1, 16), st.integers(1, 100), st.data())
def test_no_more_than_the_limit_is_under_way(before, limit, total, data) -> None:
    """A listener that had handled `before` messages earlier; it handles in bursts."""
    flow, waiting, handled = Flow(limit), 0, before
    for index in range(total):
        while flow.full:
            burst = data.draw(st.integers(1, waiting))
            for _ in range(burst):
                waiting, handled = waiting - 1, handled + 1
                flow.handled("/face", handled + waiting, handled, handled - before - 1)
        flow.sent(index)
        waiting += 1
        assert waiting <= limit + 1 and flow.in_flight == waiting


def test_the_slowest_listener_counts() -> None:
    flow = Flow(4)
    for index in range(4):
        flow.sent(index)
    assert flow.full and not flow.known
    flow.handled("/quick", 4, 4, 3)
    flow.handled("/slow", 4, 1, 0)
    assert flow.in_flight == 3
    assert flow.laggards() == ["/slow (1 of 4)"]


def test_lost_reports_are_forgotten_once_nothing_waits() -> None:
    flow = Flow(4)
    for index in range(4):
        flow.sent(index)
    flow.handled("/late", 104, 104, 3)  # its first three reports were lost
    assert flow.in_flight == 0


def test_a_listener_that_is_activated_anew_counts_on() -> None:
    flow = Flow(8)
    for index in range(4):
        flow.sent(index)
    flow.handled("/face", 2, 1, 0)
    flow.handled("/face", 3, 2, 1)
    flow.handled("/face", 2, 1, 9)
    assert flow.in_flight == 1
