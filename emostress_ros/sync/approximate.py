"""``message_filters.ApproximateTimeSynchronizer``'s sets at a cost that does not grow.

The original looks at every message that it holds, and tries every combination of those within
``slop`` of the newest message, in the order of their distance to it.  Here the same first
combination is found from two neighbours a stream, by this argument.

A set fits when all of it lies in a window ``[a, a + slop)``.  The new message is in it, so that
``a`` lies in ``(new - slop, new]``.  A stream's message before the new one narrows that to
``a <= message``, one after it to ``a > message - slop``: the farther the message, the narrower.
So if a stream's nearest message on one side leaves no room for the others, no farther one on that
side does, and the first combination that fits is made of nearest neighbours only.
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

from emostress_ros.errors import ParameterError
from emostress_ros.sync.filter import SignalingFilter, SimpleFilter, stamp_ns_of

logger = logging.getLogger(__name__)

_Option = tuple[int, int, int]
"""A neighbour as (stamp, earliest start, latest start) of the windows that hold it."""


class _Queue:
    """The newest messages of one stream, in the order of their stamps.

    Appending and evicting the oldest cost O(1), finding a neighbour O(log n) and at the newest end
    O(1); a message that comes out of order moves the pointers of the younger ones, as one block.
    """

    __slots__ = ("_arrivals", "_count", "_first", "_messages", "_size", "_stamps")

    def __init__(self, size: int) -> None:
        self._size = size
        self._stamps: list[int] = []  # of the three lists, those before _first are gone
        self._messages: list[Any] = []
        self._arrivals: list[int] = []  # which came first, of messages equally near
        self._first = 0
        self._count = 0

    def put(self, stamp: int, message: Any) -> bool:
        """Take a message in; False when it is older than all that there is room for."""
        index = self._place(stamp)
        if index < len(self._stamps) and self._stamps[index] == stamp:
            self._messages[index] = message  # the newer takes the place of the older
            return True
        if len(self._stamps) - self._first == self._size:
            if index == self._first:
                return False
            self._messages[self._first] = None
            self._first += 1
        self._count += 1
        self._stamps.insert(index, stamp)
        self._messages.insert(index, message)
        self._arrivals.insert(index, self._count)
        if self._first > self._size:
            self._compact()
        return True

    def take(self, stamp: int) -> Any:
        """Remove and return a message that is there."""
        index = self._place(stamp)
        del self._stamps[index], self._arrivals[index]
        return self._messages.pop(index)

    def _place(self, stamp: int) -> int:
        """Return the index of the first stamp that is not before ``stamp``."""
        stamps = self._stamps
        if len(stamps) == self._first or stamps[-1] < stamp:
            return len(stamps)  # sensors speak in order: nearly always
        return bisect_left(stamps, stamp, self._first)

    def neighbours(self, stamp: int, slop: int) -> list[_Option]:
        """Return the nearest message on either side within ``slop``, the nearer first.

        Of two equally near the one that came first is preferred, as in the original; a message at
        the very stamp leaves nothing to prefer.
        """
        stamps = self._stamps
        index = self._place(stamp)
        options: list[_Option] = []
        if index < len(stamps) and stamps[index] - stamp < slop:
            after = stamps[index]
            options.append((after, after - slop + 1, stamp))
            if after == stamp:
                return options
        if index > self._first and stamp - stamps[index - 1] < slop:
            before = stamps[index - 1]
            options.append((before, stamp - slop + 1, before))
            if len(options) == 2 and self._nearer(index, stamp):
                options.reverse()
        return options

    def _nearer(self, index: int, stamp: int) -> bool:
        """Tell whether the message before ``index`` is preferred to the one at it."""
        left, right = stamp - self._stamps[index - 1], self._stamps[index] - stamp
        if left != right:
            return left < right
        return self._arrivals[index - 1] < self._arrivals[index]

    def _compact(self) -> None:
        # Half of the lists at once: O(1) an eviction on the average.
        for kept in (self._stamps, self._messages, self._arrivals):
            del kept[: self._first]
        self._first = 0


class ApproximateTimeSynchronizer(SignalingFilter):
    """Calls back with one message of every stream whose stamps lie within ``slop``.

    A drop-in for the class of this name in ``message_filters`` (ROS 2 Jazzy, Python): the same
    sets in the same order for any sequence of messages, at O(log queue_size) a message and stream.
    Unlike the original it may be called back into, and survives a callback that raises.

    Args:
        fs: upstream filters, one a stream.
        queue_size: messages kept of each stream, >= 1; the oldest stamp goes first.
        slop: all stamps of a set lie less than this apart, seconds.
        allow_headerless: stamp messages without ``header.stamp`` with ``now_ns``; otherwise they
            are dropped with a warning.
        now_ns: the clock of header-less messages; default the system's, which is what the
            original's ``ROSClock()`` reads.

    Attributes:
        headerless: messages dropped for want of a stamp.

    Raises:
        ParameterError: ``queue_size`` below 1.

    Example:
        >>> sync = ApproximateTimeSynchronizer([], queue_size=10, slop=0.1)
        >>> sync.registerCallback(lambda image, sound: None)
        0
    """

    def __init__(
        self,
        fs: Sequence[SimpleFilter],
        queue_size: int,
        slop: float,
        allow_headerless: bool = False,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__()
        if queue_size < 1:
            raise ParameterError(f"queue_size must be at least 1; got {queue_size}")
        self.queue_size = queue_size
        self.slop_ns = int(slop * 1_000_000_000)
        self.allow_headerless = allow_headerless
        self.headerless = 0
        self._now_ns = now_ns
        self._lock = threading.RLock()
        self._queues: list[_Queue] = []
        self.connectInput(fs)

    def connectInput(self, fs: Sequence[SimpleFilter]) -> None:  # noqa: N802
        """Listen to upstream filters, with empty queues."""
        self._queues = [_Queue(self.queue_size) for _ in fs]
        for index, upstream in enumerate(fs):
            upstream.registerCallback(self.add, index)

    def add(self, message: Any, index: int) -> None:
        """Take a message of stream ``index`` in, and call back when it completes a set."""
        try:
            stamp = stamp_ns_of(message.header.stamp)
        except AttributeError:
            if not self.allow_headerless:
                self._refuse(message)
                return
            stamp = self._now_ns()
        with self._lock:
            if not self._queues[index].put(stamp, message):
                return
            stamps = self._first_set(stamp, index)
            if stamps is not None:
                queues = zip(self._queues, stamps, strict=True)
                self.signalMessage(*[queue.take(at) for queue, at in queues])

    def _first_set(self, stamp: int, index: int) -> list[int] | None:
        """Return the stamps of the original's first combination, or None where none fits."""
        slop = self.slop_ns
        low, high = stamp - slop + 1, stamp
        if low > high:
            return None
        itself = [(stamp, low, high)]
        streams: list[list[_Option]] = []
        for number, queue in enumerate(self._queues):
            options = itself if number == index else queue.neighbours(stamp, slop)
            if not options:
                return None
            streams.append(options)
        return _choose(streams, low, high)

    def _refuse(self, message: Any) -> None:
        self.headerless += 1
        if self.headerless == 1:
            logger.warning(
                "a %s has no header.stamp and is dropped; allow_headerless=True stamps such "
                "messages with the time they come",
                type(message).__name__,
            )


def _choose(streams: Sequence[Sequence[_Option]], low: int, high: int) -> list[int] | None:
    """Return each stream's stamp, the earlier streams' preferences first, in one window.

    Args:
        streams: one or two options a stream, the preferred first.
        low: least start of a window that holds the new message.
        high: greatest start.
    """
    least, most = low, high
    for options in streams:
        least, most = max(least, options[0][1]), min(most, options[0][2])
    if least <= most:  # everyone gets the first choice: the usual case
        return [options[0][0] for options in streams]
    chosen = []
    for number, options in enumerate(streams):
        for at, least, most in options:
            narrowed = max(low, least), min(high, most)
            if _fits(streams[number + 1 :], *narrowed):
                low, high = narrowed
                chosen.append(at)
                break
        else:
            return None
    return chosen


def _fits(streams: Sequence[Sequence[_Option]], low: int, high: int) -> bool:
    """Tell whether a window that starts in [low, high] holds a message of every stream."""
    starts = [high, *(most for options in streams for _, _, most in options if most < high)]
    return any(
        low <= start and all(any(a <= start <= b for _, a, b in options) for options in streams)
        for start in starts
    )
