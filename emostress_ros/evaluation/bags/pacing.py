"""When a replayed message is due, and how many may be on their way.

Neither class reads a clock or knows ROS: time comes in, so that both can be tested exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import ParameterError


class Pacer:
    """Maps a bag's time to seconds since the replay began, and back.

    Args:
        start_ns: time of the first message.
        lead_end_ns: end of the lead-in; `start_ns` where there is none.
        rate: bag seconds a second after the lead-in.
        lead_rate: bag seconds a second in the lead-in.

    Raises:
        ParameterError: a rate is not a finite number above 0.
    """

    def __init__(self, start_ns: int, lead_end_ns: int, rate: float, lead_rate: float) -> None:
        for name, value in (("rate", rate), ("lead_in_rate", lead_rate)):
            if not 0.0 < value < math.inf:
                raise ParameterError(f"{name} must be a finite number > 0; got {value!r}")
        self._start_ns = start_ns
        self._lead_end_ns = max(start_ns, lead_end_ns)
        self._rate, self._lead_rate = rate, lead_rate
        self._lead_s = (self._lead_end_ns - start_ns) / NANOSECONDS / lead_rate

    def due_s(self, log_ns: int) -> float:
        """Seconds after the beginning of the replay at which a message is due."""
        if log_ns <= self._lead_end_ns:
            return (log_ns - self._start_ns) / NANOSECONDS / self._lead_rate
        return self._lead_s + (log_ns - self._lead_end_ns) / NANOSECONDS / self._rate

    def clock_ns(self, elapsed_s: float) -> int:
        """Time of the bag after so many seconds of replay."""
        if elapsed_s <= self._lead_s:
            return self._start_ns + round(elapsed_s * self._lead_rate * NANOSECONDS)
        return self._lead_end_ns + round((elapsed_s - self._lead_s) * self._rate * NANOSECONDS)


@dataclass
class _Listener:
    """Progress of one node on one topic."""

    base: int
    handled: int

    @property
    def acknowledged(self) -> int:
        return self.handled - self.base


@dataclass
class Flow:
    """Counts, for one topic, what was published and what its listeners have dealt with.

    Nodes report how many messages they have handled since they became active. What a listener had
    handled before the replay began is its base: its first report is about the first message.

    Attributes:
        limit: most messages that may wait for a listener.
        published: messages sent so far.
    """

    limit: int
    published: int = 0
    _last_stamp_ns: int | None = None
    _listeners: dict[str, _Listener] = field(default_factory=dict)

    def sent(self, stamp_ns: int | None) -> None:
        """Count a message; `stamp_ns` is its header's stamp where it has one."""
        self.published += 1
        self._last_stamp_ns = stamp_ns

    def handled(self, node: str, received: int, handled: int, stamp_ns: int) -> None:
        """Take a node's report."""
        if self.published == 0:
            return  # about a replay before this one
        listener = self._listeners.get(node)
        if listener is None:
            listener = self._listeners[node] = _Listener(handled - 1, handled)
        elif handled < listener.handled:  # the node was activated anew and counts from 0
            listener.base = handled - 1 - listener.acknowledged
        listener.handled = handled
        if handled == received and stamp_ns == self._last_stamp_ns:
            listener.base = handled - self.published  # nothing waits: forget what reports were lost

    @property
    def known(self) -> bool:
        """Whether any node reports on this topic."""
        return bool(self._listeners)

    @property
    def in_flight(self) -> int:
        """Messages that the slowest listener has not dealt with yet."""
        slowest = min((x.acknowledged for x in self._listeners.values()), default=0)
        return max(0, self.published - max(0, slowest))

    @property
    def full(self) -> bool:
        """Whether the next message has to wait."""
        return self.in_flight >= self.limit

    def laggards(self) -> list[str]:
        """Nodes that keep the topic waiting, with how many messages they have dealt with."""
        return [
            f"{name} ({max(0, x.acknowledged)} of {self.published})"
            for name, x in sorted(self._listeners.items())
            if x.acknowledged < self.published
        ]
