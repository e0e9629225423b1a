"""Checks and formulas over stacks of confusion matrices, shared by this package."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emostress_ros.errors import MetricsError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def check_indices(values: ArrayLike, n_classes: int, name: str) -> IntArray:
    """Check (N,) class indices."""
    indices = np.asarray(values)
    if indices.ndim != 1 or indices.size == 0:
        raise MetricsError(f"{name} must hold at least one item in one dimension, "
                           f"got shape {indices.shape}: nothing can be scored")  # fmt: skip
    if not np.issubdtype(indices.dtype, np.integer):
        raise MetricsError(f"{name} must hold integer class indices, got {indices.dtype}")
    if indices.min() < 0 or indices.max() >= n_classes:
        raise MetricsError(
            f"{name} must lie in 0..{n_classes - 1}, got {indices.min()}..{indices.max()}"
        )
    return indices.astype(np.int64)


def check_probabilities(values: ArrayLike) -> FloatArray:
    """Check (N, K) rows of probabilities."""
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[0] == 0 or rows.shape[1] < 2:
        raise MetricsError(f"probabilities must have shape (N >= 1, K >= 2), got {rows.shape}")
    if not np.isfinite(rows).all() or rows.min() < -1e-6:
        raise MetricsError("probabilities must be finite and not negative")
    if np.abs(rows.sum(axis=1) - 1.0).max() > 1e-3:
        raise MetricsError("every row of probabilities must sum to 1")
    return rows


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> FloatArray:
    """Divide, with NaN where the denominator is 0."""
    top, bottom = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def batch_accuracies(confusions: NDArray[Any]) -> FloatArray:
    """(R,) accuracies of (R, K, K) matrices."""
    return ratio(np.trace(confusions, axis1=1, axis2=2), confusions.sum(axis=(1, 2)))


def batch_uars(confusions: NDArray[Any]) -> FloatArray:
    """(R,) mean recalls of (R, K, K) matrices over the classes present."""
    support = confusions.sum(axis=2)
    recalls = np.nan_to_num(ratio(np.diagonal(confusions, axis1=1, axis2=2), support))
    return ratio(recalls.sum(axis=1), (support > 0).sum(axis=1))


def batch_f1s(confusions: NDArray[Any]) -> FloatArray:
    """(R, K) F1 scores of (R, K, K) matrices; NaN where a class never occurs."""
    hits = np.diagonal(confusions, axis1=1, axis2=2)
    return ratio(2.0 * hits, confusions.sum(axis=1) + confusions.sum(axis=2))


def batch_macro_f1s(confusions: NDArray[Any]) -> FloatArray:
    """(R,) means of the F1 scores that are defined."""
    scores = batch_f1s(confusions)
    return ratio(np.nan_to_num(scores).sum(axis=1), np.isfinite(scores).sum(axis=1))


def batch_weighted_f1s(confusions: NDArray[Any]) -> FloatArray:
    """(R,) support-weighted means of the F1 scores."""
    support = confusions.sum(axis=2)
    return ratio((np.nan_to_num(batch_f1s(confusions)) * support).sum(axis=1), support.sum(axis=1))
