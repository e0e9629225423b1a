"""The sensor's clock of an audio stream: which stamp belongs to which sample."""

from __future__ import annotations

from dataclasses import dataclass

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import StampError


@dataclass
class StreamClock:
    """Follows the stamps of a stream's chunks.

    Every accepted chunk anchors the clock anew, so that a sensor's slow drift against its nominal
    rate never adds up.

    Attributes:
        tolerance_ns: how far a stamp may be off before samples count as lost.
        gaps: how often samples were lost.
        rewinds: how often the stamps jumped back, as when a bag starts again.
    """

    tolerance_ns: int
    gaps: int = 0
    rewinds: int = 0
    _rate_hz: int = 0
    _anchor_ns: int = 0
    _received: int = 0
    _anchor_sample: int = 0

    def continues(self, stamp_ns: int, rate_hz: int) -> bool:
        """Return whether a chunk follows the one before; counts it where it does not.

        Args:
            stamp_ns: of the chunk's first sample.
            rate_hz: of its samples.

        Raises:
            StampError: a negative stamp.
        """
        if stamp_ns < 0:
            raise StampError(f"stamp must be >= 0 ns; got {stamp_ns}")
        if self._received == 0 or rate_hz != self._rate_hz:
            return False
        late_ns = stamp_ns - self.stamp_of(self._received / rate_hz)
        self.gaps += late_ns > self.tolerance_ns
        self.rewinds += late_ns < -self.tolerance_ns
        return abs(late_ns) <= self.tolerance_ns

    def accept(self, stamp_ns: int, count: int, rate_hz: int) -> None:
        """Take a chunk of ``count`` samples a channel; it anchors the clock."""
        self._rate_hz = rate_hz
        self._anchor_ns, self._anchor_sample = stamp_ns, self._received
        self._received += count

    def stamp_of(self, seconds: float) -> int:
        """Return the stamp of the moment ``seconds`` after the stream's first sample."""
        since_anchor = seconds - self._anchor_sample / self._rate_hz
        return self._anchor_ns + round(since_anchor * NANOSECONDS)

    def reset(self) -> None:
        """Forget the stream; the counters stay."""
        self._received = 0
