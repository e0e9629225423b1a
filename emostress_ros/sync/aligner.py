"""Lines several streams up in time and speaks on a deadline with whatever is fresh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

from emostress_ros.errors import ParameterError
from emostress_ros.parameters import Config, parameter
from emostress_ros.sync.stream import Arrival, Item, Stream, StreamPolicy


@dataclass(frozen=True)
class SyncConfig(Config):
    """When an aligned set is due."""

    rate_hz: float = parameter(
        10.0,
        "Aligned sets a second, on a fixed grid of the sensors' time.",
        minimum=0.1,
        maximum=200.0,
        unit="Hz",
    )
    deadline_s: float = parameter(
        0.15,
        "How long a set waits for items that are under way.",
        minimum=0.0,
        maximum=10.0,
        unit="s",
    )
    complete_early: bool = parameter(
        True,
        "Speak as soon as every fast stream has reached the moment; false waits for the deadline "
        "always, which makes the sets independent of the order of arrival.",
    )
    jump_back_s: float = parameter(
        2.0,
        "A stamp this far before the newest means that the clock was set back.",
        minimum=0.1,
        maximum=3600.0,
        unit="s",
    )

    @property
    def period_ns(self) -> int:
        """Time between two sets."""
        return round(1e9 / self.rate_hz)

    @property
    def deadline_ns(self) -> int:
        """:attr:`deadline_s` in nanoseconds."""
        return round(1e9 * self.deadline_s)

    @property
    def jump_back_ns(self) -> int:
        """:attr:`jump_back_s` in nanoseconds."""
        return round(1e9 * self.jump_back_s)


@dataclass(frozen=True)
class Aligned(Generic[Item]):
    """What the streams say of one moment.

    Attributes:
        stamp_ns: the moment.
        items: stream to item, for the streams with a fresh one.
        stale: stream to item, for the streams whose newest item is too old.
        ages_ns: stream to age of its item at the moment, fresh or stale.
    """

    stamp_ns: int
    items: Mapping[str, Item]
    stale: Mapping[str, Item]
    ages_ns: Mapping[str, int]


# Sets that do not depend on the order of arrival must not depend on when they are asked for
# either; only a clock that jumped leaves more than this behind.
_STRICT_SLACK_NS = 60_000_000_000


class Aligner(Generic[Item]):
    """Aligned sets on the grid ``k * period`` of the sensors' clock.

    A set is due when every fast stream has reached its moment, at the latest ``deadline_s`` after
    the moment.  It holds, for each stream, the newest item at or before the moment, so an item
    that comes in time counts whatever the order of arrival.  With ``complete_early`` the moment
    of a set moves on to the newest stamp at hand, so that the freshest frame is never held back
    for the next set.  An item costs O(log n), and memory never exceeds the depths of the streams.

    Args:
        policies: stream name to how it is read.
        config: when a set is due.

    Example:
        >>> aligner = Aligner({"face": StreamPolicy(10**9)}, SyncConfig(rate_hz=10.0))
        >>> _ = aligner.add("face", 50_000_000, "smile")
        >>> [set_.items for set_ in aligner.advance(150_000_000)]
        [{'face': 'smile'}]
    """

    def __init__(
        self, policies: Mapping[str, StreamPolicy[Item]], config: SyncConfig | None = None
    ) -> None:
        if not policies:
            raise ParameterError("an aligner needs at least one stream")
        self.config = config or SyncConfig()
        self._streams = {
            name: Stream(policy, self.config.jump_back_ns) for name, policy in policies.items()
        }
        self._next_ns: int | None = None
        self.arrivals: Counter[Arrival] = Counter()

    def add(self, stream: str, stamp_ns: int, item: Item) -> Arrival:
        """Take an item in.

        Raises:
            ParameterError: no stream of this name.
            StampError: a negative stamp.
        """
        if stream not in self._streams:
            raise ParameterError(f"no stream '{stream}'; there are: {', '.join(self._streams)}")
        arrival = self._streams[stream].add(stamp_ns, item)
        self.arrivals[arrival] += 1
        if arrival is Arrival.JUMPED_BACK:
            self._begin_anew(stream, stamp_ns)
        self.begin(stamp_ns)
        return arrival

    def begin(self, stamp_ns: int) -> None:
        """Set the grid without an item, for sets that may be empty; nothing if it is set."""
        if self._next_ns is None:
            self._next_ns = self._grid_after(stamp_ns)

    def advance(self, now_ns: int) -> list[Aligned[Item]]:
        """Return the sets that are due at ``now_ns`` of the sensors' clock, oldest first.

        After a long silence only the newest moments that are due are spoken of: a robot has no
        use for a burst of sets about the past.
        """
        due: list[Aligned[Item]] = []
        if self._next_ns is None:
            return due
        self._skip_to(now_ns)
        while self._next_ns <= now_ns and self._is_complete(self._next_ns, now_ns):
            due.append(self.align(self._moment()))
            self._next_ns += self.config.period_ns
        return due

    def align(self, moment_ns: int) -> Aligned[Item]:
        """Return what the streams say of a moment, now."""
        items: dict[str, Item] = {}
        stale: dict[str, Item] = {}
        ages: dict[str, int] = {}
        for name, stream in self._streams.items():
            found = stream.at(moment_ns)
            if found is None:
                continue
            ages[name] = moment_ns - found[0]
            fresh = ages[name] <= stream.policy.max_age_ns
            (items if fresh else stale)[name] = found[1]
        return Aligned(moment_ns, items, stale, ages)

    def newest_ns(self) -> int | None:
        """Stamp of the newest item of all streams, or None."""
        stamps = [s.newest_ns for s in self._streams.values() if s.newest_ns is not None]
        return max(stamps, default=None)

    def reset(self) -> None:
        """Forget everything; the next item sets the grid again."""
        for stream in self._streams.values():
            stream.clear()
        self._next_ns = None

    def _is_complete(self, moment_ns: int, now_ns: int) -> bool:
        if now_ns >= moment_ns + self.config.deadline_ns:
            return True
        if not self.config.complete_early:
            return False
        period = self.config.period_ns
        return not any(
            stream.is_due(moment_ns, now_ns, period) for stream in self._streams.values()
        )

    def _moment(self) -> int:
        assert self._next_ns is not None
        newest = self.newest_ns()
        if not self.config.complete_early or newest is None:
            return self._next_ns
        # Never beyond the next moment of the grid: a stream with a clock ahead of the others
        # must not make them look old.
        return min(max(self._next_ns, newest), self._next_ns + self.config.period_ns - 1)

    def _begin_anew(self, jumped: str, stamp_ns: int) -> None:
        # What the others hold beyond the jump belongs to the time before it.
        limit = stamp_ns + self.config.jump_back_ns
        for name, stream in self._streams.items():
            newest = stream.newest_ns
            if name != jumped and newest is not None and newest >= limit:
                stream.clear()
        self._next_ns = self._grid_after(stamp_ns)

    def _skip_to(self, now_ns: int) -> None:
        assert self._next_ns is not None
        slack = self.config.period_ns if self.config.complete_early else _STRICT_SLACK_NS
        horizon = now_ns - self.config.deadline_ns - slack
        if self._next_ns < horizon:
            self._next_ns = self._grid_after(horizon)
        elif self._next_ns > now_ns + self.config.jump_back_ns + self.config.period_ns:
            # The sensors' time was found to be earlier, as after a pause in which it stood still.
            self._next_ns = self._grid_after(now_ns)

    def _grid_after(self, stamp_ns: int) -> int:
        period = self.config.period_ns
        return -(-stamp_ns // period) * period
