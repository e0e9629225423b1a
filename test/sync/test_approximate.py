"""The drop-in synchroniser gives message_filters' sets, whatever comes, at a cost that is flat."""

from __future__ import annotations

import itertools
import sys
import threading
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emostress_ros.errors import ParameterError
from emostress_ros.sync import ApproximateTimeSynchronizer

UNIT_NS = 1_000_000  # stamps and slop below are whole milliseconds


class Source:
    """An upstream filter."""

    def __init__(self):
        self.callbacks = []

    def registerCallback(self, cb, *args):  # noqa: N802
        self.callbacks.append((cb, args))
        return len(self.callbacks) - 1

    def send(self, message):
        for callback, args in self.callbacks:
            callback(message, *args)


class Exhaustive:
    """The original's rule, word for word and by brute force.

    A stream is a mapping in order of arrival; over ``queue_size`` the smallest stamp goes. Those
    of the other streams within slop of the new message are sorted by their distance to it; the
    first of all their combinations that spans less than slop is the set.
    """

    def __init__(self, fs, queue_size, slop):
        self.queues = [{} for _ in fs]
        self.size, self.slop, self.sets = queue_size, int(slop * 1e9), []
        for index, source in enumerate(fs):
            source.registerCallback(self.add, index)

    def add(self, message, index):
        if not hasattr(message, "header"):
            return
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        self.queues[index][stamp] = message
        while len(self.queues[index]) > self.size:
            self.queues[index].pop(min(self.queues[index]))
        near = [
            [stamp] if number == index else
            sorted((s for s in queue if abs(s - stamp) <= self.slop), key=lambda s: abs(s - stamp))
            for number, queue in enumerate(self.queues)
        ]  # fmt: skip
        for stamps in itertools.product(*near):
            there = all(s in queue for s, queue in zip(stamps, self.queues, strict=True))
            if there and max(stamps) - min(stamps) < self.slop:
                taken = zip(self.queues, stamps, strict=True)
                self.sets.append(tuple(queue.pop(s).number for queue, s in taken))
                return


def message(number: int, stamp: int | None):
    if stamp is None:
        return SimpleNamespace(number=number, data=b"no header")
    sec, nanosec = divmod(stamp * UNIT_NS, 10**9)
    header = SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec))
    return SimpleNamespace(number=number, header=header)


def sets_of(make, streams: int, queue_size: int, slop_ms: int, events) -> list[tuple[int, ...]]:
    sources = [Source() for _ in range(streams)]
    sync = make(sources, queue_size, slop_ms / 1e3)
    heard: list = getattr(sync, "sets", [])
    if hasattr(sync, "registerCallback"):
        sync.registerCallback(lambda *found: heard.append(tuple(one.number for one in found)))
    for number, (stream, stamp) in enumerate(events):
        sources[stream % streams].send(message(number, stamp))
    return heard


# Steps forward, backward (late), none (equal, duplicate), and a message without a header.
STEPS = st.one_of(st.integers(0, 6), st.integers(-12, 20), st.just(0), st.none())


@st.composite
def arrivals(draw):
    now, events = 1_000, []
    for stream, step in draw(st.lists(st.tuples(st.integers(0, 4), STEPS), max_size=60)):
        now = max(0, now + (step or 0))
        events.append((stream, None if step is None else now))
    return events


@settings(max_examples=400, deadline=None)
@given(st.integers(1, 5), st.integers(1, 12), st.integers(0, 10), arrivals())
@example(3, 5, 4, [(0, 10), (1, 14), (0, 16), (2, 13)])
def test_sets_are_those_of_the_exhaustive_search(streams, queue_size, slop_ms, events):
    want = sets_of(Exhaustive, streams, queue_size, slop_ms, events)
    assert sets_of(ApproximateTimeSynchronizer, streams, queue_size, slop_ms, events) == want


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 4), st.integers(1, 12), st.integers(0, 10), arrivals())
def test_sets_are_those_of_message_filters_where_it_is_installed(
    streams, queue_size, slop_ms, events
):
    original = pytest.importorskip("message_filters").ApproximateTimeSynchronizer
    stamped = [event for event in events if event[1] is not None]

    def real(stream: int, stamp: int, number: int):
        from std_msgs.msg import Header

        found = message(number, stamp)
        stamp_of = found.header.stamp
        found.header = Header()
        found.header.stamp.sec, found.header.stamp.nanosec = stamp_of.sec, stamp_of.nanosec
        return stream % streams, found

    heard = []
    for make in (original, ApproximateTimeSynchronizer):
        sources, sets = [Source() for _ in range(streams)], []
        make(sources, queue_size, slop_ms / 1e3).registerCallback(
            lambda *found, sets=sets: sets.append(tuple(one.number for one in found))
        )
        for number, (stream, stamp) in enumerate(stamped):
            index, one = real(stream, stamp, number)
            sources[index].send(one)
        heard.append(sets)
    assert heard[0] == heard[1]


def test_of_two_equally_near_the_first_to_come_is_taken():
    for order in ([8, 12], [12, 8]):
        events = [(0, order[0]), (0, order[1]), (1, 10)]
        assert sets_of(ApproximateTimeSynchronizer, 2, 10, 5, events) == [(0, 2)]


def test_stamps_exactly_slop_apart_make_no_set():
    assert sets_of(ApproximateTimeSynchronizer, 2, 10, 5, [(0, 10), (1, 15)]) == []
    assert sets_of(ApproximateTimeSynchronizer, 2, 10, 5, [(0, 10), (1, 14)]) == [(0, 1)]


def test_a_message_without_a_stamp_is_dropped_or_stamped_as_asked(caplog):
    source = Source()
    sync = ApproximateTimeSynchronizer([source], 5, 0.1)
    source.send(SimpleNamespace(number=0))
    source.send(SimpleNamespace(number=1))
    assert sync.headerless == 2
    assert [record.message.count("header.stamp") for record in caplog.records] == [1]

    source, heard = Source(), []
    sync = ApproximateTimeSynchronizer([source], 5, 0.1, True, now_ns=lambda: 7)
    sync.registerCallback(lambda *found: heard.append(found))
    source.send("bare")
    assert heard == [("bare",)]


def test_stamps_of_rclpy_are_taken_too():
    source, heard = Source(), []
    sync = ApproximateTimeSynchronizer([source], 5, 0.1)
    sync.registerCallback(lambda found, word: heard.append((found.number, word)), "more")
    stamp = SimpleNamespace(nanoseconds=5)
    source.send(SimpleNamespace(number=3, header=SimpleNamespace(stamp=stamp)))
    assert heard == [(3, "more")]


def test_a_callback_may_raise_or_send_without_locking_the_filter_up():
    first, second = Source(), Source()
    sync = ApproximateTimeSynchronizer([first, second], 5, 0.1)
    heard = []

    def callback(one, other):
        heard.append((one.number, other.number))
        if one.number == 0:
            raise ValueError("the caller's own fault")
        if one.number == 2:
            first.send(message(4, 30))
            second.send(message(5, 30))

    sync.registerCallback(callback)
    first.send(message(0, 10))
    with pytest.raises(ValueError):
        second.send(message(1, 10))
    first.send(message(2, 20))
    finished = threading.Thread(target=second.send, args=(message(3, 20),), daemon=True)
    finished.start()
    finished.join(10)
    assert heard == [(0, 1), (2, 3), (4, 5)]


def test_a_queue_size_below_one_is_refused():
    with pytest.raises(ParameterError, match="queue_size must be at least 1; got 0"):
        ApproximateTimeSynchronizer([], 0, 0.1)


def test_the_work_of_a_message_does_not_grow_with_the_queue():
    def calls(queue_size: int) -> int:
        """Python lines run for one more message of four streams with full queues."""
        sources = [Source() for _ in range(4)]
        ApproximateTimeSynchronizer(sources, queue_size, 0.001)
        for number in range(queue_size + 5):  # streams too far apart for any set
            for stream, source in enumerate(sources):
                source.send(message(number, 10 * number + 2 * stream))
        lines = 0

        def count(frame, event, argument):
            nonlocal lines
            lines += event == "line"
            return count

        before = sys.gettrace()
        sys.settrace(count)
        sources[0].send(message(0, 10 * queue_size + 100))
        sys.settrace(before)
        return lines

    assert calls(1_000) == calls(10) > 0
