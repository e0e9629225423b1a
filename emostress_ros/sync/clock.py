"""The sensors' time, told from stamps and their arrival, without trusting either clock alone."""

from __future__ import annotations


class SensorClock:
    """Maps the node's clock onto the sensors'.

    A bag replayed without simulated time, a camera with a clock of its own, or a robot whose
    clock steps when it meets its time server all leave the sensors' stamps off the node's clock.
    The offset is taken from the item that came with the least delay, as in Cristian's algorithm
    (Cristian, "Probabilistic clock synchronization", 1989): it decays slowly, so that a drifting
    clock is followed, and starts anew when the stamps jump.

    Args:
        jump_ns: a stamp this far from where it is expected means that a clock was set.
        drift_ppm: how fast the offset may decay, in parts per million of elapsed time.
    """

    def __init__(self, jump_ns: int = 5_000_000_000, drift_ppm: float = 500.0) -> None:
        self._jump_ns = jump_ns
        self._drift = drift_ppm * 1e-6
        self._offset_ns: int | None = None
        self._observed_ns = 0
        self.jumps = 0

    def observe(self, stamp_ns: int, arrival_ns: int, delay_allowed_ns: int = 0) -> bool:
        """Take note of an item.

        Args:
            stamp_ns: the sensor's stamp.
            arrival_ns: the node's clock when it came.
            delay_allowed_ns: how late an item of this stream may be without being a jump.

        Returns:
            True when a clock jumped and alignment must begin anew.
        """
        offset = stamp_ns - arrival_ns
        if self._offset_ns is None:
            self._offset_ns, self._observed_ns = offset, arrival_ns
            return False
        elapsed = max(0, arrival_ns - self._observed_ns)
        expected = self._offset_ns - int(self._drift * elapsed)
        behind = expected - offset
        if behind > self._jump_ns + delay_allowed_ns or -behind > self._jump_ns:
            self.jumps += 1
            self._offset_ns, self._observed_ns = offset, arrival_ns
            return True
        self._offset_ns, self._observed_ns = max(expected, offset), arrival_ns
        return False

    def now(self, node_ns: int) -> int | None:
        """Return the sensors' time at the node's ``node_ns``; None before the first item."""
        return None if self._offset_ns is None else node_ns + self._offset_ns
