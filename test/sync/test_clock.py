from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.sync import SensorClock

MS = 1_000_000
SECOND = 1000 * MS


def test_before_anything_was_sensed_there_is_no_time():
    assert SensorClock().now(5 * SECOND) is None


def test_a_bag_of_the_past_is_followed_without_simulated_time():
    clock = SensorClock()
    for k in range(100):
        clock.observe(1000 * SECOND + k * 33 * MS, 1_700_000_000 * SECOND + k * 33 * MS + 4 * MS)
    now = clock.now(1_700_000_000 * SECOND + 99 * 33 * MS + 4 * MS)
    assert abs(now - (1000 * SECOND + 99 * 33 * MS)) < 2 * MS


def test_a_clock_that_steps_is_noticed_once_and_then_followed():
    clock = SensorClock()
    clock.observe(100 * SECOND, 100 * SECOND)
    assert clock.observe(3700 * SECOND, 101 * SECOND)
    assert not clock.observe(3701 * SECOND, 102 * SECOND)
    assert clock.jumps == 1
    assert clock.now(102 * SECOND) == 3701 * SECOND


@given(st.lists(st.integers(0, 400), min_size=1, max_size=100))
def test_delay_never_puts_the_sensors_time_ahead_of_the_truth(delays_ms):
    clock = SensorClock()
    for k, delay in enumerate(delays_ms):
        arrival = (k * 33 + delay) * MS
        clock.observe(k * 33 * MS, arrival)
        assert clock.now(arrival) <= arrival
        assert clock.now(arrival) >= k * 33 * MS
