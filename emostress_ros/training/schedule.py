"""Learning-rate schedules: the factor of the highest rate over the part of a training done."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

Schedule = Callable[[float, float, float], float]
"""(progress, warm-up, floor), all parts of 1, to a factor."""


def cosine_warmup(progress: float, warmup: float = 0.05, floor: float = 0.0) -> float:
    """Return the learning-rate factor: linear warm-up, then half a cosine.

    Loshchilov and Hutter, "SGDR", ICLR 2017; Goyal et al., "Accurate, large minibatch SGD", 2017.

    Args:
        progress: part of the training done, [0, 1].
        warmup: part of the training that warms up.
        floor: factor at the end.
    """
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    done = min(1.0, (progress - warmup) / max(1e-9, 1.0 - warmup))
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * done))


def linear_warmup(progress: float, warmup: float = 0.05, floor: float = 0.0) -> float:
    """Return the learning-rate factor: linear warm-up, then a straight line down.

    Devlin et al., "BERT", NAACL 2019.

    Args:
        progress: part of the training done, [0, 1].
        warmup: part of the training that warms up.
        floor: factor at the end.
    """
    left = (1.0 - progress) / max(1e-9, 1.0 - warmup)
    rising = progress / warmup if warmup > 0 else 1.0
    return max(min(rising, floor + (1.0 - floor) * left), 0.0)


def constant(progress: float, warmup: float = 0.0, floor: float = 0.0) -> float:
    """Return 1, after a linear warm-up where one is asked for."""
    del floor
    return max(progress / warmup, 1e-3) if progress < warmup else 1.0


SCHEDULES: Mapping[str, Schedule] = {
    "cosine": cosine_warmup,
    "linear": linear_warmup,
    "constant": constant,
}
