"""Calibration of text heads on held-out texts: temperature, Platt scaling, thresholds.

Temperature scaling: Guo et al., ICML 2017. Platt scaling: Platt, "Probabilistic outputs for
support vector machines", 1999. Thresholds a label: as is usual for GoEmotions' multi-label task.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

from emostress_ros.metrics import multilabel_f1_per_class
from emostress_ros.training.datasets.labelled_text import LabelledTexts

FloatArray = npt.NDArray[np.floating]
Targets = npt.NDArray[np.floating] | npt.NDArray[np.bool_]


def log_softmax(logits: FloatArray) -> npt.NDArray[np.float64]:
    """Logarithm of the softmax over the last axis."""
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True)
    result: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def softmax(logits: FloatArray) -> npt.NDArray[np.float64]:
    """Softmax over the last axis."""
    result: npt.NDArray[np.float64] = np.exp(log_softmax(logits))
    return result


def sigmoid(logits: FloatArray) -> npt.NDArray[np.float64]:
    """Logistic function."""
    result: npt.NDArray[np.float64] = expit(np.asarray(logits, np.float64))
    return result


def fit_temperature(
    logits: FloatArray, targets: Targets, weights: FloatArray | None = None
) -> float:
    """Find T > 0 that makes ``softmax(logits / T)`` likeliest to name one of the labels given.

    With one label an item this is Guo et al.'s loss; with several, naming any of them is right.

    Args:
        logits: (N, K).
        targets: (N, K) label indicators.
        weights: (N,) how much each item counts; None counts all alike.
    """
    hidden = np.where(np.asarray(targets, bool), 0.0, -np.inf)

    def loss(log_temperature: float) -> float:
        scores = log_softmax(logits / np.exp(log_temperature))
        return -float(np.average(np.logaddexp.reduce(scores + hidden, axis=1), weights=weights))

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))


def balance_shift(train: LabelledTexts, exponent: float) -> npt.NDArray[np.float32]:
    """(K,) what is added to the logits so that rare classes are named more often.

    Menon et al., "Long-tail learning via logit adjustment", ICLR 2021.

    Args:
        train: training part, whose frequencies are taken.
        exponent: 0 leaves the answers as they are, 1 takes the frequencies out.
    """
    shift: npt.NDArray[np.float32] = -exponent * np.log(train.targets.mean(axis=0) + 1e-9)
    return shift.astype(np.float32)


def fit_platt(logit: FloatArray, target: Targets) -> tuple[float, float]:
    """Find (a, b) that give ``sigmoid(a * logit + b)`` the least cross-entropy; both (N,)."""
    signs = 2.0 * np.asarray(target, np.float64) - 1.0

    def loss(parameters: npt.NDArray[np.float64]) -> float:
        return float(np.logaddexp(0.0, -signs * (parameters[0] * logit + parameters[1])).mean())

    found = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return float(found[0]), float(found[1])


def fit_thresholds(probabilities: FloatArray, targets: Targets) -> npt.NDArray[np.float64]:
    """Find, label by label, the threshold of the best F1, smoothed over its neighbours.

    The F1 of a rare label jumps with every item: its curve is averaged over a window of
    thresholds before the best is taken.
    """
    grid = np.arange(0.05, 0.95, 0.01)
    thresholds = []
    for column in range(targets.shape[1]):
        truth = np.asarray(targets[:, [column]], bool)
        curve = [
            float(
                np.nan_to_num(multilabel_f1_per_class(truth, probabilities[:, [column]] >= cut)[0])
            )
            for cut in grid
        ]
        smooth = np.convolve(np.pad(curve, 3, mode="edge"), np.full(7, 1 / 7), mode="valid")
        thresholds.append(grid[int(smooth.argmax())])
    return np.asarray(thresholds)


def decide(
    probabilities: FloatArray, thresholds: Sequence[float] | FloatArray
) -> npt.NDArray[np.bool_]:
    """Labels whose probability reaches its threshold; the likeliest where none does: (N, K)."""
    chosen = np.asarray(probabilities >= np.asarray(thresholds))
    empty = ~chosen.any(axis=1)
    chosen[empty, probabilities[empty].argmax(axis=1)] = True
    return chosen


def cross_fitted_macro_f1(
    probabilities: FloatArray, targets: Targets, folds: int = 5, seed: int = 0
) -> float:
    """Macro-F1 where every text is judged by thresholds fitted on the other folds."""
    fold = np.random.default_rng(seed).permutation(len(targets)) % folds
    decided = np.zeros(targets.shape, dtype=bool)
    for index in range(folds):
        cuts = fit_thresholds(probabilities[fold != index], targets[fold != index])
        decided[fold == index] = decide(probabilities[fold == index], cuts)
    return float(np.nanmean(multilabel_f1_per_class(targets, decided)))
