"""Who of several people in view speaks: the one whose mouth moves while speech is heard.

Audio-visual coincidence as in Cutler and Davis, "Look who's talking: speaker detection using video
and audio correlation", ICME 2000, reduced to what travels on the wire: the motion of every mouth
(the face's measure ``mouth_motion``) and the stretch of time in which speech was heard.
"""

from __future__ import annotations

from collections import deque

MEMORY_NS = 15_000_000_000
"""How long mouth motions are kept; utterances are rarely longer."""

CLEAR = 1.7
"""How many times the second mouth's motion the first one's must be: 1.3 times as far."""

LEAST = 0.005
"""Motion of a mouth that speaks, at the least; see ``MouthMotion.update`` for the unit.

GRID's talkers lie between 0.012 and 0.06, mouths at rest between -0.002 and 0.003, so that a voice
from out of view is given to nobody."""

_LEAST_FRAMES = 3
_MOST_FRAMES = 2000


class MouthHistory:
    """Mouth motions of every person in view, over the last seconds."""

    def __init__(self) -> None:
        self._motions: dict[str, deque[tuple[int, float]]] = {}

    def add(self, person_id: str, stamp_ns: int, motion: float) -> None:
        """Note how much a mouth moved; a stamp that goes back begins anew."""
        motions = self._motions.setdefault(person_id, deque(maxlen=_MOST_FRAMES))
        if motions and stamp_ns < motions[-1][0]:
            motions.clear()
        motions.append((stamp_ns, motion))
        while motions[0][0] < stamp_ns - MEMORY_NS:
            motions.popleft()

    def forget(self, person_id: str) -> None:
        """Drop what is known of a person."""
        self._motions.pop(person_id, None)

    def speaker(self, people: list[str], begin_ns: int, end_ns: int) -> str | None:
        """Return who of ``people`` spoke from ``begin_ns`` to ``end_ns``.

        None where it is not clear: a mouth that was hidden, none that moved, two that moved alike,
        or no time to look at.
        """
        if not people or end_ns <= begin_ns:
            return None
        moved = {person: self._mean(person, begin_ns, end_ns) for person in people}
        if any(motion is None for motion in moved.values()):
            return None  # whoever cannot be seen may be the one who speaks
        first, *others = sorted(
            ((motion or 0.0, person) for person, motion in moved.items()), reverse=True
        )
        if first[0] < LEAST or (others and first[0] < CLEAR * others[0][0]):
            return None
        return first[1]

    def _mean(self, person_id: str, begin_ns: int, end_ns: int) -> float | None:
        inside = [
            motion
            for stamp_ns, motion in self._motions.get(person_id, ())
            if begin_ns <= stamp_ns <= end_ns
        ]
        return sum(inside) / len(inside) if len(inside) >= _LEAST_FRAMES else None
