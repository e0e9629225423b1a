"""Cost of a message in the synchroniser against message_filters'."""

from __future__ import annotations

import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from std_msgs.msg import Header

from benchmarks.result import Check, Row, duel
from benchmarks.timing import Times
from emostress_ros.sync import ApproximateTimeSynchronizer

GROUP = "sync"
PATH_VARIABLE = "MESSAGE_FILTERS_PATH"
RATES_HZ = (30.0, 50.0, 10.0, 4.0)
SLOP_S = 0.02
QUEUES = (10, 100, 1000)
_ROUNDS = 12
_FLAT = 1.25


class Source:
    """An upstream filter of both synchronisers."""

    def __init__(self) -> None:
        self.send: Callable[[Any], None] = lambda message: None

    def registerCallback(self, callback: Callable[..., Any], *args: Any) -> int:  # noqa: N802
        """Call back for every message."""
        self.send = lambda message: callback(message, *args)
        return 0


def original() -> tuple[type, str] | None:
    """Return message_filters' class and where it is from, or None where it is not at hand.

    It is taken from ROS, or from the checkout that the variable names
    (``src/message_filters/__init__.py`` of github.com/ros2/message_filters, branch jazzy).
    """
    path = os.environ.get(PATH_VARIABLE)
    if path:
        sys.path.insert(0, path)
    try:
        module = importlib.import_module("message_filters")
    except ImportError:
        return None
    return module.ApproximateTimeSynchronizer, f"message_filters' {'checkout' if path else 'class'}"


def rows(seconds: float) -> list[Row]:
    """Return one row for each length of the queues."""
    found = original()
    if found is None:
        reason = f"message_filters is not installed, and {PATH_VARIABLE} names no checkout of it"
        return [Row(GROUP, _name(size), "message_filters", skipped=reason) for size in QUEUES]
    peer, where = found
    times = {size: _times(size, peer, seconds / len(QUEUES)) for size in QUEUES}
    made = []
    for size, (ours, theirs, worst_ms, sets, same) in times.items():
        checks = [Check("identical sets", float(same), 1.0)]
        if size == QUEUES[-1]:
            checks.append(Check(f"cost over that at {QUEUES[0]}", _growth(), _FLAT, at_most=True))
        checks.append(Check("worst message [ms]", worst_ms, 1.0, at_most=True))
        least = 50.0 if size == 100 else 1.0
        note = f"streams at 30, 50, 10 and 4 Hz, slop {SLOP_S:g} s, queues full; {sets} sets"
        if size == QUEUES[-1]:
            note += (
                "; growth is that of ours without the original in between, which looks through all "
                "that it holds and leaves the caches cold"
            )
        made.append(duel(GROUP, _name(size), where, ours, theirs, least, checks, note))
    return made


def _name(size: int) -> str:
    return f"sync, a message, queues of {size}"


def messages(seconds: float) -> list[tuple[int, Any]]:
    """Return (stream, message) in order of arrival, with the jitter of real sensors."""
    random = np.random.default_rng(0)
    events = []
    for stream, rate in enumerate(RATES_HZ):
        count = int(seconds * rate)
        stamps = np.arange(count) / rate + 0.003 * stream + random.uniform(0, 0.003, count)
        events += [(10**18 + int(1e9 * stamp), stream) for stamp in stamps]
    made = []
    for stamp, stream in sorted(events):
        header = Header()
        header.stamp.sec, header.stamp.nanosec = divmod(stamp, 10**9)
        made.append((stream, SimpleNamespace(header=header, stamp=stamp)))
    return made


def _sync(kind: type, size: int) -> tuple[Any, list[Callable[[Any], None]], list[Any]]:
    """Return a synchroniser, what feeds its streams, and the sets that it finds."""
    sources = [Source() for _ in RATES_HZ]
    sync = kind(sources, size, SLOP_S)
    sets: list[tuple[int, ...]] = []
    sync.registerCallback(lambda *found: sets.append(tuple(one.stamp for one in found)))
    return sync, [source.send for source in sources], sets


def _filled(size: int) -> tuple[Any, list[Callable[[Any], None]], list[Any], list[Any]]:
    """Return one of ours with full queues, and the messages that come next."""
    warm_s = size / min(RATES_HZ) + 1.0
    stream = messages(warm_s + 60.0)
    warm = int(warm_s * sum(RATES_HZ))
    sync, send, sets = _sync(ApproximateTimeSynchronizer, size)
    for number, message in stream[:warm]:
        send[number](message)
    sets.clear()
    return sync, send, sets, stream[warm:]


def _times(size: int, peer: type, seconds: float) -> tuple[Times, Times, float, int, bool]:
    """Time both in turn with the same full queues, some messages a round."""
    ours, our_send, our_sets, stream = _filled(size)
    theirs, their_send, their_sets = _sync(peer, size)
    # Feeding the original until its long queues are full takes minutes: it gets what ours holds.
    for queue, kept in zip(theirs.queues, ours._queues, strict=True):
        held = slice(kept._first, None)
        queue.update(zip(kept._stamps[held], kept._messages[held], strict=True))
    rounds: tuple[list[float], list[float]] = ([], [])
    end = time.monotonic() + seconds
    share = min(len(stream) // (2 * _ROUNDS), max(20, 10_000 // size))
    for begin in range(0, share * _ROUNDS, share):
        if len(rounds[0]) >= 5 and time.monotonic() > end:
            break
        part = stream[begin : begin + share]
        for send, values in zip((our_send, their_send), rounds, strict=True):
            values.append(_round(send, part))
    same = our_sets == their_sets
    worst_ms = _worst(our_send, stream[share * len(rounds[0]) :])
    return Times(tuple(rounds[0])), Times(tuple(rounds[1])), worst_ms, len(their_sets), same


def _round(send: list[Callable[[Any], None]], part: list[tuple[int, Any]]) -> float:
    """Return milliseconds a message."""
    began = time.thread_time_ns()
    for number, message in part:
        send[number](message)
    return (time.thread_time_ns() - began) / 1e6 / len(part)


def _worst(send: list[Callable[[Any], None]], stream: list[tuple[int, Any]]) -> float:
    """Return the dearest message of thousands, milliseconds."""
    worst_ns = 0
    for number, message in stream:
        began = time.thread_time_ns()
        send[number](message)
        worst_ns = max(worst_ns, time.thread_time_ns() - began)
    return worst_ns / 1e6


def _growth() -> float:
    """Return our cost with the longest queues over that with the shortest, without the peer.

    The original looks through all that it holds, and leaves the cache to nobody else.
    """
    both = [_filled(size) for size in (QUEUES[0], QUEUES[-1])]
    costs: list[list[float]] = [[], []]
    for begin in range(0, 5000, 250):
        for (_, send, _, stream), values in zip(both, costs, strict=True):
            values.append(_round(send, stream[begin : begin + 250]))
    return statistics.median(costs[1]) / statistics.median(costs[0])
