"""Pools several calibrated opinions into one: pure functions over numpy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
_LEAST = 1e-6


def freshness(age_ns: int, half_life_s: float) -> float:
    """Return 0.5 ** (age / half-life), in (0, 1]; an age below zero counts as zero."""
    return float(0.5 ** (max(0, age_ns) / 1e9 / half_life_s))


def shares(weights: FloatArray) -> FloatArray:
    """Return weights scaled to sum to 1; all-zero weights stay zero."""
    total = float(weights.sum())
    return weights / total if total > 0.0 else np.zeros_like(weights)


def pool(
    opinions: FloatArray, trust: FloatArray, weights: FloatArray, synergy: float
) -> FloatArray:
    """Logarithmic opinion pool of calibrated distributions.

    Genest and Zidek, "Combining probability distributions", Statistical Science 1 (1986).  Each
    opinion is first mixed with the uniform one as far as it is not trusted, so that poor evidence
    says little instead of something wrong.  The exponents are the shares of the weights times
    ``1 + synergy * (n - 1)`` where n is the effective number of opinions, 1 / sum(share ** 2):
    with ``synergy`` 0 agreement never adds confidence, with 1 opinions count as independent.

    Args:
        opinions: (M, K) rows that sum to 1.
        trust: (M,) in [0, 1].
        weights: (M,) >= 0.
        synergy: in [0, 1].

    Returns:
        (K,) summing to 1; uniform when no opinion weighs anything.
    """
    classes = opinions.shape[1]
    mixed = trust[:, None] * opinions + (1.0 - trust[:, None]) / classes
    share = shares(weights)
    squared = float((share**2).sum())
    effective = 1.0 / squared if squared > 0.0 else 1.0
    scale = 1.0 + synergy * (effective - 1.0)
    logs = scale * (share @ np.log(np.maximum(mixed, _LEAST)))
    likelihood = np.exp(logs - logs.max())
    return np.asarray(likelihood / likelihood.sum(), dtype=np.float64)


def pool_binary(
    probabilities: FloatArray, trust: FloatArray, weights: FloatArray, synergy: float
) -> float:
    """Return :func:`pool` for (M,) probabilities of a yes-or-no question."""
    opinions = np.stack([1.0 - probabilities, probabilities], axis=1)
    return float(pool(opinions, trust, weights, synergy)[1])


def weighted_mean(values: FloatArray, weights: FloatArray) -> float:
    """Return the mean of the values that are estimated (not NaN); NaN when none is."""
    known = np.isfinite(values) & (weights > 0.0)
    if not known.any():
        return math.nan
    return float(np.average(values[known], weights=weights[known]))
