"""The sensors' time, told from stamps and their arrival, without trusting either clock alone."""

from __future__ import annotations

from dataclasses import dataclass

_FORGET_NS = 60_000_000_000


@dataclass
class _Source:
    """What is known of one stream's clock."""

    offset_ns: int
    newest_ns: int
    heard_ns: int


class SensorClock:
    """Maps the node's clock onto the sensors'.

    A bag replayed without simulated time, a camera with a clock of its own, or a robot whose
    clock steps when it meets its time server all leave the sensors' stamps off the node's clock.
    The offset of a stream is taken from its item that came with the least delay, as in Cristian's
    algorithm (Cristian, "Probabilistic clock synchronization", 1989); it decays slowly, so that a
    drifting clock is followed.  The sensors' time is that of the stream that is ahead: another
    one that delivers late, such as a wearable that empties its memory, holds nobody back.

    Args:
        jump_ns: a stream whose stamps go back this far had its clock set back.
        drift_ppm: how fast an offset may decay, in parts per million of elapsed time.
    """

    def __init__(self, jump_ns: int = 2_000_000_000, drift_ppm: float = 500.0) -> None:
        self._jump_ns = jump_ns
        self._drift = drift_ppm * 1e-6
        self._sources: dict[str, _Source] = {}
        self.jumps = 0

    def observe(self, stream: str, stamp_ns: int, arrival_ns: int) -> bool:
        """Take note of an item.

        Args:
            stream: where it comes from.
            stamp_ns: the sensor's stamp.
            arrival_ns: the node's clock when it came.

        Returns:
            True when the stream's clock was set back and alignment must begin anew.
        """
        offset_ns = stamp_ns - arrival_ns
        source = self._sources.get(stream)
        if source is not None and stamp_ns < source.newest_ns - self._jump_ns:
            self.jumps += 1
            self._sources = {stream: _Source(offset_ns, stamp_ns, arrival_ns)}
            return True
        if source is None:
            self._forget_silent(arrival_ns)
            self._sources[stream] = _Source(offset_ns, stamp_ns, arrival_ns)
            return False
        elapsed_ns = max(0, arrival_ns - source.heard_ns)
        source.offset_ns = max(source.offset_ns - int(self._drift * elapsed_ns), offset_ns)
        source.newest_ns = max(source.newest_ns, stamp_ns)
        source.heard_ns = arrival_ns
        return False

    def now(self, node_ns: int) -> int | None:
        """Return the sensors' time at the node's ``node_ns``; None before the first item."""
        if not self._sources:
            return None
        heard = [s for s in self._sources.values() if node_ns - s.heard_ns <= _FORGET_NS]
        return node_ns + max(s.offset_ns for s in heard or self._sources.values())

    def _forget_silent(self, now_ns: int) -> None:
        self._sources = {
            name: source
            for name, source in self._sources.items()
            if now_ns - source.heard_ns <= _FORGET_NS
        }
