"""What is believed of a state that changes now and then, from evidence that comes all the time.

The forward filter of a hidden Markov model (Rabiner, "A tutorial on hidden Markov models", Proc.
IEEE 77, 1989) in the sensors' time: between two moments the state may have changed, to any other
alike; then the evidence of the moment multiplies in.  Evidence that is fused many times a second
is not new each time, so it counts by how long it lasts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_LEAST = 1e-4


class Belief:
    """Filters the probabilities of K states.

    Args:
        lasts_s: how long a state lasts on average.
        look_s: evidence that lasts this long counts as one independent look.
    """

    def __init__(self, lasts_s: float, look_s: float) -> None:
        self._lasts_s, self._look_s = lasts_s, look_s
        self._held: list[float] = []

    def reset(self) -> None:
        """Forget: the next evidence is believed as it is."""
        self._held = []

    def update(self, probabilities: Sequence[float], elapsed_s: float) -> list[float]:
        """Return the K probabilities after another moment's evidence.

        Args:
            probabilities: K that sum to 1, what the evidence of this moment says by itself.
            elapsed_s: time since the last moment, >= 0.
        """
        if len(self._held) != len(probabilities):
            self._held = list(probabilities)
            return self._held
        others, least = len(probabilities) - 1, _LEAST
        stays = math.exp(-elapsed_s / self._lasts_s)
        moved = (1.0 - stays) / others
        kept = stays - moved
        # However long nothing came, one moment is one look.
        look = min(1.0, elapsed_s / self._look_s)
        weighed = [
            (moved + kept * held) * (said if said > least else least) ** look
            for held, said in zip(self._held, probabilities, strict=True)
        ]
        total = sum(weighed)
        self._held = [value / total for value in weighed]
        return self._held
