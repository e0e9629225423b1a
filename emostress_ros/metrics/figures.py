"""Figures of one confusion matrix, of indicator matrices and of series."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from emostress_ros.errors import MetricsError
from emostress_ros.metrics._arrays import (
    FloatArray,
    IntArray,
    batch_accuracies,
    batch_f1s,
    batch_macro_f1s,
    batch_uars,
    batch_weighted_f1s,
    check_indices,
    check_probabilities,
    ratio,
)

ECE_BINS = 15


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, n_classes: int) -> IntArray:
    """Count items by true class (row) and predicted class (column).

    Args:
        y_true: (N,) class indices in ``[0, n_classes)``.
        y_pred: (N,) class indices in ``[0, n_classes)``.
        n_classes: K.

    Returns:
        (K, K) counts.

    Raises:
        MetricsError: no item, lengths that differ, or an index outside the range.
    """
    truth, prediction = (
        check_indices(y_true, n_classes, "y_true"),
        check_indices(y_pred, n_classes, "y_pred"),
    )
    if truth.size != prediction.size:
        raise MetricsError(f"y_true has {truth.size} items and y_pred {prediction.size}")
    flat = np.bincount(truth * n_classes + prediction, minlength=n_classes * n_classes)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def accuracy(confusion: ArrayLike) -> float:
    """Share of the items on the diagonal, in [0, 1]; NaN for an empty matrix."""
    return float(batch_accuracies(np.asarray(confusion)[None])[0])


def uar(confusion: ArrayLike) -> float:
    """Unweighted average recall (balanced accuracy) over the classes present in the truth."""
    return float(batch_uars(np.asarray(confusion)[None])[0])


def recall_per_class(confusion: ArrayLike) -> FloatArray:
    """(K,) recalls; NaN for a class that is absent from the truth."""
    counts = np.asarray(confusion, dtype=np.float64)
    return ratio(np.diagonal(counts), counts.sum(axis=1))


def f1_per_class(confusion: ArrayLike) -> FloatArray:
    """(K,) F1 scores; NaN for a class absent from both the truth and the predictions."""
    return batch_f1s(np.asarray(confusion)[None])[0]


def macro_f1(confusion: ArrayLike) -> float:
    """Mean F1 over the classes that occur in the truth or in the predictions."""
    return float(batch_macro_f1s(np.asarray(confusion)[None])[0])


def weighted_f1(confusion: ArrayLike) -> float:
    """F1 averaged with the number of true items of each class as weight."""
    return float(batch_weighted_f1s(np.asarray(confusion)[None])[0])


def multilabel_f1_per_class(y_true: ArrayLike, y_pred: ArrayLike) -> FloatArray:
    """F1 of every column of two (N, K) boolean indicator matrices; NaN where a class never occurs.

    Raises:
        MetricsError: shapes that differ or are not two-dimensional.
    """
    truth, prediction = np.asarray(y_true, dtype=bool), np.asarray(y_pred, dtype=bool)
    if truth.ndim != 2 or truth.shape != prediction.shape:
        raise MetricsError(
            f"expected two (N, K) indicator matrices, got {truth.shape} and {prediction.shape}"
        )
    hits = (truth & prediction).sum(axis=0)
    return ratio(2.0 * hits, truth.sum(axis=0) + prediction.sum(axis=0))


def expected_calibration_error(
    y_true: ArrayLike, probabilities: ArrayLike, bins: int = ECE_BINS
) -> float:
    """Mean gap between the top probability and how often it is right (Guo et al. 2017).

    Args:
        y_true: (N,) class indices.
        probabilities: (N, K) rows that sum to 1.
        bins: number of equal-width bins over (0, 1].

    Returns:
        ECE in [0, 1].
    """
    rows = check_probabilities(probabilities)
    truth = check_indices(y_true, rows.shape[1], "y_true")
    return calibration_gap(rows.max(axis=1), rows.argmax(axis=1) == truth, bins)


def calibration_gap(confidence: ArrayLike, correct: ArrayLike, bins: int = ECE_BINS) -> float:
    """ECE of arbitrary confidences in [0, 1] against whether each was right, both (N,)."""
    stated = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    if stated.shape != right.shape or stated.size == 0:
        raise MetricsError(f"confidence has shape {stated.shape} and correct {right.shape}")
    index = np.clip(np.ceil(stated * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(index, weights=right - stated, minlength=bins)
    return float(np.abs(gaps).sum() / stated.size)


def concordance_correlation(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Lin's concordance correlation coefficient of two (N,) series, in [-1, 1].

    NaN when both are constant and equal in mean, where it is not defined.
    """
    truth, prediction = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
    if truth.ndim != 1 or truth.shape != prediction.shape or truth.size == 0:
        raise MetricsError(
            f"expected two series of one length, got {truth.shape} and {prediction.shape}"
        )
    covariance = np.mean((truth - truth.mean()) * (prediction - prediction.mean()))
    spread = truth.var() + prediction.var() + (truth.mean() - prediction.mean()) ** 2
    return float(2.0 * covariance / spread) if spread > 0 else math.nan
