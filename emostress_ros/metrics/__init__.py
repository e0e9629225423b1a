"""Figures of merit, computed one way for every modality (numpy only).

Conventions: ``K`` classes, ``N`` items, a confusion matrix has one row per *true* class. A class
that occurs neither in the truth nor in the predictions takes no part in an average; a class that
is absent from the truth has no recall and takes no part in the UAR (scikit-learn's rules).

Sources: UAR as in Schuller et al., "The INTERSPEECH 2009 Emotion Challenge"; ECE as in Guo et
al., "On Calibration of Modern Neural Networks", ICML 2017 (15 equal-width bins of the top
probability); CCC as in Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility",
Biometrics 1989; intervals by the cluster bootstrap (Davison and Hinkley 1997, section 3.8), which
draws whole persons because the windows of one person are not independent.
"""

from __future__ import annotations

from emostress_ros.metrics.bootstrap import (
    bootstrap_confusion_intervals,
    bootstrap_interval,
)
from emostress_ros.metrics.calibration import (
    ReliabilityBins,
    RiskCoverage,
    reliability_bins,
    risk_coverage,
)
from emostress_ros.metrics.figures import (
    accuracy,
    calibration_gap,
    concordance_correlation,
    confusion_matrix,
    expected_calibration_error,
    f1_per_class,
    macro_f1,
    multilabel_f1_per_class,
    recall_per_class,
    uar,
    weighted_f1,
)
from emostress_ros.metrics.ranking import auroc, roc_curve
from emostress_ros.metrics.score import (
    Predictions,
    Score,
    score_from_confusion,
    score_predictions,
)

__all__ = [
    "Predictions",
    "ReliabilityBins",
    "RiskCoverage",
    "Score",
    "accuracy",
    "auroc",
    "bootstrap_confusion_intervals",
    "bootstrap_interval",
    "calibration_gap",
    "concordance_correlation",
    "confusion_matrix",
    "expected_calibration_error",
    "f1_per_class",
    "macro_f1",
    "multilabel_f1_per_class",
    "recall_per_class",
    "reliability_bins",
    "risk_coverage",
    "roc_curve",
    "score_from_confusion",
    "score_predictions",
    "uar",
    "weighted_f1",
]
