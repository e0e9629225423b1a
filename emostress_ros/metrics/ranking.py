"""How well a score ranks positive items above negative ones (numpy only).

AUROC: Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic
(ROC) curve", Radiology 1982.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from emostress_ros.errors import MetricsError
from emostress_ros.metrics._arrays import FloatArray, IntArray


def auroc(y_true: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve: how often a positive item scores above a negative one.

    Mann and Whitney's statistic; ties count half.

    Args:
        y_true: (N,) 0 or 1.
        score: (N,) finite, higher for the positive class.

    Returns:
        [0, 1]; NaN where one of the classes is missing.
    """
    truth, values = _binary(y_true, score)
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return math.nan
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - 0.5 * (counts - 1)  # mean rank of each group of ties, from 1
    above = float(ranks[place][truth == 1].sum()) - 0.5 * positives * (positives + 1)
    return above / (positives * negatives)


def roc_curve(y_true: ArrayLike, score: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return (false positive rate, true positive rate) at every threshold, from (0, 0) to (1, 1).

    Empty where one of the classes is missing.
    """
    truth, values = _binary(y_true, score)
    positives = int(truth.sum())
    if positives in (0, len(truth)):
        return np.zeros(0), np.zeros(0)
    order = np.argsort(-values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    hits = np.cumsum(truth[order])[ends]
    false = ends + 1 - hits
    rates = (false / (len(truth) - positives), hits / positives)
    return np.r_[0.0, rates[0]], np.r_[0.0, rates[1]]


def _binary(y_true: ArrayLike, score: ArrayLike) -> tuple[IntArray, FloatArray]:
    truth, values = np.asarray(y_true, np.int64), np.asarray(score, np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise MetricsError(f"y_true has shape {truth.shape} and score {values.shape}")
    if not np.isin(truth, (0, 1)).all() or not np.isfinite(values).all():
        raise MetricsError("y_true must hold 0 and 1 alone, and every score must be finite")
    return truth, values
