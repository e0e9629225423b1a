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
    node_ns = 1_700_000_000 * SECOND
    for k in range(100):
        sensed = 1000 * SECOND + k * 33 * MS
        clock.observe("face", sensed, node_ns + k * 33 * MS + 4 * MS)
    now = clock.now(node_ns + 99 * 33 * MS + 4 * MS)
    assert abs(now - (1000 * SECOND + 99 * 33 * MS)) < 2 * MS


def test_a_clock_that_steps_forward_is_followed():
    clock = SensorClock()
    clock.observe("face", 100 * SECOND, 100 * SECOND)
    assert not clock.observe("face", 3700 * SECOND, 101 * SECOND)
    assert clock.now(102 * SECOND) == 3701 * SECOND


def test_a_clock_that_is_set_back_is_noticed_once_and_then_followed():
    clock = SensorClock()
    clock.observe("face", 3700 * SECOND, 100 * SECOND)
    assert clock.observe("face", 100 * SECOND, 101 * SECOND)
    assert not clock.observe("face", 101 * SECOND, 102 * SECOND)
    assert clock.jumps == 1
    assert clock.now(103 * SECOND) == 102 * SECOND


def test_a_wearable_that_empties_its_memory_does_not_move_the_time():
    clock = SensorClock()
    for k in range(60):
        now = (1000 + k) * SECOND
        assert not clock.observe("face", now, now)
        assert not clock.observe("physiology", now - (60 - k) * SECOND, now)
        assert abs(clock.now(now) - now) < SECOND


def test_a_stream_that_fell_silent_no_longer_tells_the_time():
    clock = SensorClock()
    clock.observe("a camera with a clock ahead", 9000 * SECOND, 1000 * SECOND)
    for k in range(100):
        clock.observe("physiology", (1000 + k) * SECOND, (1000 + k) * SECOND)
    assert abs(clock.now(1099 * SECOND) - 1099 * SECOND) < SECOND


@given(st.lists(st.integers(0, 400), min_size=1, max_size=100))
def test_delay_never_puts_the_sensors_time_ahead_of_the_truth(delays_ms):
    clock = SensorClock()
    for k, delay in enumerate(delays_ms):
        arrival = (k * 33 + delay) * MS
        clock.observe("face", k * 33 * MS, arrival)
        assert k * 33 * MS <= clock.now(arrival) <= arrival


@given(rate=st.floats(0.05, 1.0), every=st.integers(5, 200))
def test_a_bag_that_is_played_slowly_is_followed_without_simulated_time(rate, every):
    clock = SensorClock()
    for k in range(600):
        sensed, arrival = k * 33 * MS, 5000 * SECOND + round(k * 33 * MS / rate)
        clock.observe("face", sensed, arrival)
        if k % every == 0:  # another one that speaks seldom
            clock.observe("physiology", sensed, arrival)
        # Less than the least age at which evidence counts as stale.
        assert 0 <= clock.now(arrival) - sensed < SECOND


def test_a_bag_that_was_paused_is_followed_again():
    clock = SensorClock()
    pause = 0
    for k in range(450):
        pause = 20 * SECOND if k > 300 else 0
        sensed, arrival = k * 33 * MS, 5000 * SECOND + k * 33 * MS + pause
        # Another face than before the pause, seldom words, and a voice that begins afterwards.
        clock.observe("face", sensed, arrival, source="before" if k <= 300 else "after")
        if k % 150 == 0:
            clock.observe("text", sensed - SECOND, arrival)
        if k > 310 and k % 10 == 0:
            clock.observe("voice", sensed - SECOND, arrival)
    assert clock.now(arrival) - sensed < 50 * MS


def test_a_stamp_from_the_end_of_all_time_is_not_gone_beyond():
    clock = SensorClock()
    clock.observe("face", (2**31 - 1) * SECOND, 100 * SECOND)
    assert clock.now(200 * SECOND) + 10 * SECOND <= 2**31 * SECOND


def test_frames_that_are_held_up_do_not_move_the_time():
    clock = SensorClock()
    for k in range(300):
        now = (1000 * SECOND) + k * 33 * MS
        held_up = 800 * MS if 150 <= k < 170 else 0
        clock.observe("face", now - held_up, now)
        assert clock.now(now) == now
