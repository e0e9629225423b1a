from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.errors import ParameterError, StampError
from emostress_ros.sync import Arrival, Stream, StreamPolicy

SECOND = 1_000_000_000


def make(max_age_s: float = 1.0, **kwargs) -> Stream[str]:
    return Stream(StreamPolicy(round(max_age_s * SECOND), **kwargs))


def test_the_newest_item_at_or_before_a_moment_speaks_for_it():
    stream = make()
    for stamp in (10, 20, 30):
        stream.add(stamp, f"item {stamp}")
    assert stream.at(25) == (20, "item 20")
    assert stream.at(30) == (30, "item 30")
    assert stream.at(9) is None


def test_an_item_with_a_known_stamp_replaces_the_stored_one():
    stream = make()
    stream.add(10, "first")
    stream.add(20, "later")
    assert stream.add(10, "again") is Arrival.DUPLICATE
    assert stream.at(10) == (10, "again")
    assert len(stream) == 2


def test_a_looping_bag_begins_the_stream_anew():
    stream = make()
    stream.add(100 * SECOND, "end of the bag")
    assert stream.add(1 * SECOND, "its beginning") is Arrival.JUMPED_BACK
    assert stream.at(200 * SECOND) == (1 * SECOND, "its beginning")
    assert len(stream) == 1


def test_a_negative_stamp_is_refused_by_name():
    with pytest.raises(StampError, match="-5"):
        make().add(-5, "x")


@pytest.mark.parametrize("kwargs", [{"max_age_ns": 0}, {"max_age_ns": 1, "depth": 1}])
def test_a_policy_that_keeps_nothing_is_refused(kwargs):
    with pytest.raises(ParameterError, match="max_age_ns > 0 and depth >= 2"):
        StreamPolicy(**kwargs)


def test_interpolation_lies_between_its_neighbours():
    def between(before: float, after: float, fraction: float) -> float:
        return before + fraction * (after - before)

    stream: Stream[float] = Stream(StreamPolicy(SECOND, interpolate=between))
    stream.add(0, 0.0)
    stream.add(100, 1.0)
    assert stream.at(25) == (25, pytest.approx(0.25))


def test_a_gap_longer_than_the_age_allowed_is_not_interpolated():
    stream: Stream[float] = Stream(
        StreamPolicy(SECOND, interpolate=lambda a, b, f: a + f * (b - a))
    )
    stream.add(0, 0.0)
    stream.add(10 * SECOND, 1.0)
    assert stream.at(SECOND) == (0, 0.0)


@given(st.lists(st.integers(0, SECOND), min_size=1, max_size=200))
def test_any_order_of_arrival_gives_the_same_stream(stamps):
    shuffled, ordered = make(depth=500), make(depth=500)
    for stamp in stamps:
        shuffled.add(stamp, str(stamp))
    for stamp in sorted(set(stamps)):
        ordered.add(stamp, str(stamp))
    moments = range(0, SECOND, SECOND // 37)
    assert [shuffled.at(m) for m in moments] == [ordered.at(m) for m in moments]


@given(st.lists(st.integers(0, 10**12), max_size=500), st.integers(2, 20))
def test_memory_is_bounded_whatever_comes(stamps, depth):
    stream = make(depth=depth)
    for stamp in stamps:
        stream.add(stamp, "x")
        assert len(stream) < 2 * depth
