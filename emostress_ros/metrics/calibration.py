"""How honest confidences are, and what it costs and gains to stay silent below one (numpy only).

Reliability diagram: Guo et al., "On calibration of modern neural networks", ICML 2017.
Risk–coverage curve: El-Yaniv and Wiener, "On the foundations of noise-free selective
classification", JMLR 2010; its area: Geifman et al., ICLR 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from emostress_ros.errors import MetricsError
from emostress_ros.metrics._arrays import FloatArray, IntArray
from emostress_ros.metrics.figures import ECE_BINS


@dataclass(frozen=True)
class ReliabilityBins:
    """A reliability diagram: equal-width bins of confidence over (0, 1].

    Attributes:
        edges: (B + 1,) borders of the bins.
        count: (B,) items.
        confidence: (B,) mean confidence; NaN in an empty bin.
        accuracy: (B,) share of right answers; NaN in an empty bin.
    """

    edges: FloatArray
    count: IntArray
    confidence: FloatArray
    accuracy: FloatArray


def reliability_bins(
    confidence: ArrayLike, correct: ArrayLike, bins: int = ECE_BINS
) -> ReliabilityBins:
    """Sort (N,) confidences in [0, 1] into bins, with how often each bin is right.

    Raises:
        MetricsError: no item, or shapes that differ.
    """
    stated, right = _pair(confidence, correct)
    index = np.clip(np.ceil(stated * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(index, weights=stated, minlength=bins) / count
        share = np.bincount(index, weights=right, minlength=bins) / count
    return ReliabilityBins(np.linspace(0.0, 1.0, bins + 1), count, mean, share)


@dataclass(frozen=True)
class RiskCoverage:
    """What remains when only the more confident answers are given.

    Attributes:
        threshold: (M,) distinct confidences, falling: answers of at least this are given.
        coverage: (M,) share of items answered, rising to 1.
        risk: (M,) share of the given answers that are wrong.
    """

    threshold: FloatArray
    coverage: FloatArray
    risk: FloatArray

    @property
    def area(self) -> float:
        """Mean risk over all coverages: smaller is better, [0, 1]."""
        steps = np.diff(self.coverage, prepend=0.0)
        return float((steps * self.risk).sum())

    def at(self, threshold: float) -> tuple[float, float]:
        """(coverage, risk) when answers below ``threshold`` are withheld; (0, NaN) when all are."""
        given = int((self.threshold >= threshold).sum())
        if given == 0:
            return 0.0, float("nan")
        return float(self.coverage[given - 1]), float(self.risk[given - 1])


def risk_coverage(confidence: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """Risk over coverage of (N,) confidences; items of equal confidence are answered together.

    Raises:
        MetricsError: no item, or shapes that differ.
    """
    stated, right = _pair(confidence, correct)
    order = np.argsort(-stated, kind="stable")
    falling, wrong = stated[order], np.cumsum(1.0 - right[order])
    last = np.flatnonzero(np.append(np.diff(falling) < 0.0, True))
    answered = last + 1.0
    return RiskCoverage(falling[last], answered / len(falling), wrong[last] / answered)


def _pair(confidence: ArrayLike, correct: ArrayLike) -> tuple[FloatArray, FloatArray]:
    stated = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    if stated.ndim != 1 or stated.shape != right.shape or stated.size == 0:
        raise MetricsError(f"confidence has shape {stated.shape} and correct {right.shape}")
    if not (np.isfinite(stated).all() and 0.0 <= stated.min() and stated.max() <= 1.0 + 1e-6):
        raise MetricsError("confidences must lie in [0, 1]")
    return stated, right
