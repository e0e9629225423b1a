"""One stream of stamped items, ordered by stamp and bounded in memory."""

from __future__ import annotations

import enum
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from emostress_ros.errors import ParameterError, StampError

Item = TypeVar("Item")

_ALIVE_INTERVALS = 4.0
_INTERVAL_WEIGHT = 0.2


class Arrival(enum.Enum):
    """What became of an item that was added."""

    ADDED = "added"
    LATE = "late"  # older than the newest, put in its place
    DUPLICATE = "duplicate"  # same stamp as a stored item: the newer item replaces it
    TOO_OLD = "too old"  # older than everything stored in a full stream: dropped
    JUMPED_BACK = "jumped back"  # the clock went back: the stream began anew


@dataclass(frozen=True)
class StreamPolicy(Generic[Item]):
    """How one stream is read.

    Attributes:
        max_age_ns: an item older than this is stale.
        depth: most items kept.
        interpolate: ``(before, after, fraction) -> item`` for a moment between two items; None
            takes the newest item at or before the moment.
    """

    max_age_ns: int
    depth: int = 64
    interpolate: Callable[[Item, Item, float], Item] | None = None

    def __post_init__(self) -> None:
        if self.max_age_ns <= 0 or self.depth < 2:
            raise ParameterError(
                f"a stream needs max_age_ns > 0 and depth >= 2; "
                f"got {self.max_age_ns} and {self.depth}"
            )


class Stream(Generic[Item]):
    """Items of one stream in the order of their stamps.

    Appending in order costs O(1), finding a moment O(log n); an item that comes late moves only
    those that are younger than it.

    Args:
        policy: how the stream is read.
        jump_back_ns: a stamp that lies this much before the newest one is a clock that was set
            back (a looping bag, a new time source), no late item.
    """

    def __init__(self, policy: StreamPolicy[Item], jump_back_ns: int = 2_000_000_000) -> None:
        self.policy = policy
        self._jump_back_ns = jump_back_ns
        self._stamps: list[int] = []
        self._items: list[Item] = []
        self.interval_ns = 0.0

    def __len__(self) -> int:
        return len(self._stamps)

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest item, or None when there is none."""
        return self._stamps[-1] if self._stamps else None

    def add(self, stamp_ns: int, item: Item) -> Arrival:
        """Put an item in its place.

        Raises:
            StampError: the stamp is negative.
        """
        if stamp_ns < 0:
            raise StampError(f"a stamp must be >= 0 ns; got {stamp_ns}")
        newest = self.newest_ns
        if newest is None or stamp_ns > newest:
            self._append(stamp_ns, item, newest)
            return Arrival.ADDED
        if newest - stamp_ns >= self._jump_back_ns:
            self.clear()
            self._append(stamp_ns, item, None)
            return Arrival.JUMPED_BACK
        return self._insert(stamp_ns, item)

    def clear(self) -> None:
        """Forget everything."""
        self._stamps.clear()
        self._items.clear()
        self.interval_ns = 0.0

    def at(self, moment_ns: int) -> tuple[int, Item] | None:
        """Return (stamp, item) that speaks for a moment, or None.

        It is the newest item at or before the moment; with interpolation and an item on both
        sides, the item between them, stamped with the moment.
        """
        index = bisect_right(self._stamps, moment_ns) - 1
        if index < 0:
            return None
        stamp, item = self._stamps[index], self._items[index]
        between = self.policy.interpolate
        if between is None or stamp == moment_ns or index + 1 >= len(self._stamps):
            return stamp, item
        span = self._stamps[index + 1] - stamp
        if span > self.policy.max_age_ns:  # nothing is known of a gap that long
            return stamp, item
        return moment_ns, between(item, self._items[index + 1], (moment_ns - stamp) / span)

    def is_due(self, moment_ns: int, now_ns: int, period_ns: int) -> bool:
        """Tell whether an item up to the moment is still to be expected.

        True for a stream about as fast as ``period_ns``, or faster, that has not reached the
        moment and was heard within a few of its own intervals; a slower or silent stream is not
        waited for.
        """
        newest = self.newest_ns
        if newest is None or newest >= moment_ns or not 0 < self.interval_ns <= 1.5 * period_ns:
            return False
        return now_ns - newest <= _ALIVE_INTERVALS * self.interval_ns

    def _append(self, stamp_ns: int, item: Item, previous: int | None) -> None:
        if previous is not None:
            step = stamp_ns - previous
            weight = _INTERVAL_WEIGHT if self.interval_ns else 1.0
            self.interval_ns += weight * (step - self.interval_ns)
        self._stamps.append(stamp_ns)
        self._items.append(item)
        self._bound()

    def _insert(self, stamp_ns: int, item: Item) -> Arrival:
        index = bisect_left(self._stamps, stamp_ns)
        if self._stamps[index] == stamp_ns:
            self._items[index] = item
            return Arrival.DUPLICATE
        if index == 0 and len(self._stamps) >= self.policy.depth:
            return Arrival.TOO_OLD
        self._stamps.insert(index, stamp_ns)
        self._items.insert(index, item)
        self._bound()
        return Arrival.LATE

    def _bound(self) -> None:
        # Trimming half at once keeps the cost of an append constant on average.
        if len(self._stamps) >= 2 * self.policy.depth:
            del self._stamps[: -self.policy.depth]
            del self._items[: -self.policy.depth]
