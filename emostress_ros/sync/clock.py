"""The sensors' time, told from stamps and their arrival, without trusting either clock alone."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

_FORGET_NS = 60_000_000_000
_LOOK_NS = 1_000_000_000
_LEAST_ITEMS = 2
_END_NS = (2**31 - 10) * 1_000_000_000
"""ROS counts seconds in 31 bits; what follows the moment, by a period of 10 s at most, must fit."""


class _Stream:
    """How far the stamps of one stream lie from the node's clock."""

    def __init__(self, offset_ns: int, arrival_ns: int) -> None:
        self.offset_ns = offset_ns
        self.born_ns = self.met_ns = self.heard_ns = arrival_ns
        self._recent = deque([(offset_ns, arrival_ns)])

    def hear(self, offset_ns: int, arrival_ns: int) -> None:
        """Take note of an item."""
        self.heard_ns = arrival_ns
        if offset_ns >= self.offset_ns:
            self.offset_ns, self.met_ns = offset_ns, arrival_ns
        recent = self._recent
        recent.append((offset_ns, arrival_ns))
        # The distance, and not the age: the node's clock may have been set back meanwhile.
        while len(recent) > _LEAST_ITEMS and abs(arrival_ns - recent[0][1]) > _LOOK_NS:
            recent.popleft()

    @property
    def slip_ns(self) -> int:
        """How far the offset lies above its newest items, two at least."""
        return self.offset_ns - max(self._recent)[0]

    def slip_now_ns(self, now_ns: int) -> int | None:
        """How far it lies above the items of the last second; None where there are none."""
        late = [offset for offset, at_ns in self._recent if abs(now_ns - at_ns) <= _LOOK_NS]
        return self.offset_ns - max(late) if late else None

    def fall_back(self, slip_ns: int, now_ns: int) -> None:
        """Lower the offset, yet not below what was met of late."""
        self.offset_ns -= slip_ns
        for place, (offset_ns, arrival_ns) in enumerate(self._recent):
            if abs(now_ns - arrival_ns) > _LOOK_NS:
                self._recent[place] = (offset_ns - slip_ns, arrival_ns)
            elif offset_ns > self.offset_ns:
                self.offset_ns, self.met_ns = offset_ns, arrival_ns


@dataclass(frozen=True)
class _Last:
    """The newest stamp of a source, and when it was last heard."""

    stamp_ns: int
    heard_ns: int


class SensorClock:
    """Maps the node's clock onto the sensors'.

    A bag replayed without simulated time, at any pace and with pauses, a camera with a clock of its
    own, or a robot whose clock steps when it meets its time server all leave the sensors' stamps
    off the node's clock.  The offset of a stream is taken from its item that came with the least
    delay, as in Cristian's algorithm (Cristian, "Probabilistic clock synchronization", 1989).
    Where for a second every stream that speaks, and spoke before, comes later than that, it is no
    delay: the sensors' time itself fell back, and all offsets follow.  A second is longer than what
    usually holds a frame up, and short enough for the evidence not to be stale by then.

    The sensors' time is that of the stream that is ahead: another one that delivers late, such as
    a wearable that empties its memory, holds nobody back.

    Args:
        jump_ns: a source whose stamps go back this far had its clock set back.
    """

    def __init__(self, jump_ns: int = 2_000_000_000) -> None:
        self._jump_ns = jump_ns
        self._streams: dict[str, _Stream] = {}
        self._last: dict[tuple[str, str], _Last] = {}
        self.jumps = 0

    def observe(self, stream: str, stamp_ns: int, arrival_ns: int, source: str = "") -> bool:
        """Take note of an item.

        Args:
            stream: where it comes from, such as a modality; all of it shares one delay.
            stamp_ns: the sensor's stamp.
            arrival_ns: the node's clock when it came.
            source: which of the stream's devices or faces; the stamps of each go forward.

        Returns:
            True when the source's clock was set back and alignment must begin anew.
        """
        offset_ns = stamp_ns - arrival_ns
        last = self._last.get((stream, source))
        jumped = last is not None and stamp_ns < last.stamp_ns - self._jump_ns
        if jumped:
            self.jumps += 1
            self._streams.clear()
            self._last.clear()
        elif last is None:
            self._forget_silent(arrival_ns)
        newest_ns = stamp_ns if last is None or jumped else max(last.stamp_ns, stamp_ns)
        self._last[stream, source] = _Last(newest_ns, arrival_ns)
        if stream in self._streams:
            self._streams[stream].hear(offset_ns, arrival_ns)
            self._follow(self._streams[stream])
        else:
            self._streams[stream] = _Stream(offset_ns, arrival_ns)
        return jumped

    def now(self, node_ns: int) -> int | None:
        """Return the sensors' time at the node's ``node_ns``, >= 0; None before the first item."""
        if not self._streams:
            return None
        heard = [s for s in self._streams.values() if node_ns - s.heard_ns <= _FORGET_NS]
        # A node's clock that has begun anew may leave less than nothing until a sensor is heard.
        now_ns = node_ns + max(s.offset_ns for s in heard or self._streams.values())
        return min(max(0, now_ns), _END_NS)

    def _follow(self, stream: _Stream) -> None:
        slip_ns, now_ns = stream.slip_ns, stream.heard_ns
        if not slip_ns:
            return
        for other in self._streams.values():
            seen_ns = other.slip_now_ns(now_ns)
            # One that began since cannot know.
            if seen_ns is not None and other.born_ns <= stream.met_ns:
                slip_ns = min(slip_ns, seen_ns)
        if slip_ns:
            for each in self._streams.values():
                each.fall_back(slip_ns, now_ns)

    def _forget_silent(self, now_ns: int) -> None:
        def recent(items: dict[Any, Any]) -> dict[Any, Any]:
            return {k: v for k, v in items.items() if now_ns - v.heard_ns <= _FORGET_NS}

        self._streams, self._last = recent(self._streams), recent(self._last)
