"""Intervals by the cluster bootstrap: whole persons are drawn, never single windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emostress_ros.metrics._arrays import (
    FloatArray,
    IntArray,
    batch_accuracies,
    batch_f1s,
    batch_macro_f1s,
    batch_uars,
    batch_weighted_f1s,
    check_indices,
)

BOOTSTRAP_REPETITIONS = 1000


def bootstrap_interval(
    statistic: Callable[[IntArray], float],
    persons: Sequence[Any] | NDArray[Any],
    *,
    repetitions: int = BOOTSTRAP_REPETITIONS,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic under resampling of whole persons.

    Args:
        statistic: maps the (M,) indices of the drawn items to a number.
        persons: (N,) the person (or cluster) each item belongs to.
        repetitions: number of draws.
        level: coverage in (0, 1).
        seed: of the generator; the same seed gives the same interval.

    Returns:
        (low, high); (NaN, NaN) when fewer than two persons take part.
    """
    _, owner = np.unique(np.asarray(persons), return_inverse=True)
    groups = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    if len(groups) < 2:
        return math.nan, math.nan
    generator = np.random.default_rng(seed)
    draws = generator.integers(len(groups), size=(repetitions, len(groups)))
    values = [statistic(np.concatenate([groups[i] for i in draw])) for draw in draws]
    return _percentiles(np.asarray(values, dtype=np.float64), level)


def bootstrap_confusion_intervals(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    persons: Sequence[Any] | NDArray[Any],
    n_classes: int,
    *,
    repetitions: int = BOOTSTRAP_REPETITIONS,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Cluster-bootstrap intervals of accuracy, UAR, macro and weighted F1, in one pass.

    The confusion matrix of a draw is the sum of the drawn persons' matrices, so that thousands of
    draws cost one matrix product. Empty when fewer than two persons take part.
    """
    truth, prediction = (
        check_indices(y_true, n_classes, "y_true"),
        check_indices(y_pred, n_classes, "y_pred"),
    )
    _, owner = np.unique(np.asarray(persons), return_inverse=True)
    people = int(owner.max()) + 1
    if people < 2:
        return {}
    cells = np.zeros((people, n_classes * n_classes))
    np.add.at(cells, (owner, truth * n_classes + prediction), 1.0)
    weights = np.random.default_rng(seed).multinomial(
        people, np.full(people, 1.0 / people), size=repetitions
    )
    drawn = (weights.astype(np.float64) @ cells).reshape(repetitions, n_classes, n_classes)
    figures = {
        "accuracy": batch_accuracies(drawn),
        "uar": batch_uars(drawn),
        "macro_f1": batch_macro_f1s(drawn),
        "weighted_f1": batch_weighted_f1s(drawn),
    }
    if n_classes == 2:
        figures["f1"] = np.nan_to_num(batch_f1s(drawn)[:, 1])
    return {name: _percentiles(values, level) for name, values in figures.items()}


def _percentiles(values: FloatArray, level: float) -> tuple[float, float]:
    """Central interval of the finite values."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return math.nan, math.nan
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(finite, [tail, 100.0 - tail])
    return float(low), float(high)
