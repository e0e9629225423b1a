"""Whose expression is read in a frame, where each face's is wanted less often than frames come.

A frame takes as many faces as make up the rate, those first that were not read for longest, so that
the cost is spread over the frames in place of falling on every second one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_EARLY = 0.9  # share of the period after which a face may be read: frames come a little unevenly


class Turns:
    """Chooses the faces whose expression is read.

    Args:
        rate_hz: how often each face's is read, at most; 0 for every frame.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = 1e9 / rate_hz if rate_hz > 0.0 else 0.0
        self._read_ns: dict[str, int] = {}
        self._last_ns: int | None = None

    def choose(self, tracks: Sequence[str], stamp_ns: int) -> list[int]:
        """Return the rows of the faces to read, in order.

        Args:
            tracks: names of the faces in this frame.
            stamp_ns: of the frame, sensor clock; one that jumps back begins anew.
        """
        if not self._period_ns:
            return list(range(len(tracks)))
        last, self._last_ns = self._last_ns, stamp_ns
        if last is not None and stamp_ns < last:
            self._read_ns.clear()
        self._read_ns = {name: at for name, at in self._read_ns.items() if name in tracks}
        step_ns = self._period_ns if last is None else max(0, stamp_ns - last)
        room = math.ceil(len(tracks) * min(1.0, step_ns / self._period_ns) - 1e-6)
        waited = {
            row: stamp_ns - self._read_ns[name] if name in self._read_ns else math.inf
            for row, name in enumerate(tracks)
        }
        due = [row for row, age in waited.items() if age >= _EARLY * self._period_ns]
        chosen = sorted(sorted(due, key=lambda row: -waited[row])[:room])
        self._read_ns |= {tracks[row]: stamp_ns for row in chosen}
        return chosen

    def reset(self) -> None:
        """Forget who was read."""
        self._read_ns.clear()
        self._last_ns = None
