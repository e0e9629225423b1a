"""What a continuous sense perceives between two of its windows."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from emostress_ros.affect import Embedding


def between(before: Embedding, after: Embedding, fraction: float) -> Embedding:
    """Return the embedding at a moment between two, linear in time.

    Args:
        before: at or before the moment.
        after: behind it.
        fraction: how far from ``before`` to ``after`` the moment lies, [0, 1].

    Returns:
        an embedding with the stamp of ``after``, the newest evidence used; ``before`` itself where
        the two cannot be mixed (another encoder, other labels).
    """
    same = (
        before.model == after.model
        and before.labels == after.labels
        and before.vector.shape == after.vector.shape
    )
    if not same:
        return before
    return dataclasses.replace(
        after,
        vector=_mix(before.vector, after.vector, fraction),
        probabilities=_mix(before.probabilities, after.probabilities, fraction),
        quality=(1.0 - fraction) * before.quality + fraction * after.quality,
        valence=_mix_known(before.valence, after.valence, fraction),
        arousal=_mix_known(before.arousal, after.arousal, fraction),
        stress=_mix_known(before.stress, after.stress, fraction),
    )


def _mix(one: np.ndarray, other: np.ndarray, fraction: float) -> np.ndarray:
    return ((1.0 - fraction) * one + fraction * other).astype(np.float32)


def _mix_known(one: float, other: float, fraction: float) -> float:
    """Mix two numbers; where one is not estimated, the other stands."""
    if math.isnan(one) or math.isnan(other):
        return other if math.isnan(one) else one
    return (1.0 - fraction) * one + fraction * other
