"""Calibration on held-out people, one way for every modality: temperature, isotonic, *unknown*.

Temperature scaling: Guo et al., "On calibration of modern neural networks", ICML 2017. Isotonic
regression, one class against the rest: Zadrozny and Elkan, "Transforming classifier scores into
accurate multiclass probability estimates", KDD 2002; its fit pools adjacent violators (Ayer et
al. 1955).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar

from emostress_ros.errors import MetricsError
from emostress_ros.metrics import Score

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Calibrator = Callable[[FloatArray], FloatArray]
LEAST_SKILL = 0.3
"""An answer whose skill (0 = chance, 1 = always right) is below this is better not given."""
_TINY = 1e-12


def soften(
    probabilities: npt.NDArray[np.floating], temperature: float, shift: float = 0.0
) -> FloatArray:
    """Return (N, K) probabilities whose logits are divided by a temperature.

    Args:
        probabilities: (N, K) rows that sum to 1.
        temperature: above 0; above 1 makes answers less sure, below 1 surer.
        shift: added to the log-odds of the second of two classes, after the division.
    """
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), _TINY)) / temperature
    if shift:
        logits[:, 1] += shift
    powered = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: FloatArray = powered / powered.sum(axis=1, keepdims=True)
    return result


def harden(
    probabilities: npt.NDArray[np.floating], temperature: float, shift: float = 0.0
) -> FloatArray:
    """Undo :func:`soften`: give back what was there before the calibration."""
    return soften(probabilities, 1.0 / temperature, -shift * temperature)


def log_loss(
    truth: IntArray | npt.NDArray[np.floating], probabilities: npt.NDArray[np.floating]
) -> float:
    """Mean negative log-likelihood under (N, K) probabilities, in nats.

    Args:
        truth: (N,) classes, or (N, K) label distributions, of which rows of zeros do not count.
        probabilities: (N, K) rows that sum to 1.
    """
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), _TINY))
    if truth.ndim == 2:
        return float(-(truth * logs).sum() / truth.sum())
    return float(-logs[np.arange(len(truth)), truth].mean())


def fit_temperature(
    truth: IntArray | npt.NDArray[np.floating], probabilities: npt.NDArray[np.floating]
) -> float:
    """Return the temperature in [1/8, 8] of the least :func:`log_loss` on held-out items."""
    found = minimize_scalar(
        lambda power: log_loss(truth, soften(probabilities, float(np.exp(power)))),
        bounds=(-np.log(8.0), np.log(8.0)), method="bounded",
    )  # fmt: skip
    return float(np.exp(found.x))


def fit_platt(truth: IntArray, probabilities: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Return the temperature and shift of the least log-loss for two classes (Platt 1999)."""

    def loss(found: FloatArray) -> float:
        power = float(np.clip(found[0], -np.log(8.0), np.log(8.0)))
        return log_loss(truth, soften(probabilities, float(np.exp(power)), float(found[1])))

    power, shift = minimize(loss, np.zeros(2), method="Nelder-Mead").x
    return float(np.exp(np.clip(power, -np.log(8.0), np.log(8.0)))), float(shift)


def temperature_calibrator(truth: IntArray, probabilities: FloatArray) -> Calibrator:
    """Fit a temperature, and with two classes a shift; return what applies them."""
    if probabilities.shape[1] == 2:
        temperature, shift = fit_platt(truth, probabilities)
    else:
        temperature, shift = fit_temperature(truth, probabilities), 0.0
    return lambda rows: soften(rows, temperature, shift)


@dataclass(frozen=True)
class Isotonic:
    """A non-decreasing map of one score to the share of hits, linear between its knots.

    Attributes:
        score: (M,) rising.
        share: (M,) non-decreasing, [0, 1].
    """

    score: FloatArray
    share: FloatArray

    @classmethod
    def fit(cls, score: FloatArray, hit: npt.NDArray[np.bool_]) -> Isotonic:
        """Fit by pooling adjacent violators.

        Args:
            score: (N,).
            hit: (N,) whether each was of the class.
        """
        order = np.argsort(score, kind="stable")
        blocks: list[tuple[float, float, float]] = []  # weight, sum of scores, sum of hits
        for value, right in zip(score[order], hit[order], strict=True):
            blocks.append((1.0, float(value), float(right)))
            while len(blocks) > 1 and _share(blocks[-2]) >= _share(blocks[-1]):
                above, below = blocks.pop(), blocks.pop()
                blocks.append((below[0] + above[0], below[1] + above[1], below[2] + above[2]))
        return cls(
            np.array([block[1] / block[0] for block in blocks]),
            np.array([_share(block) for block in blocks]),
        )

    def __call__(self, score: FloatArray) -> FloatArray:
        """Map (N,) scores; the ends go on level."""
        return np.interp(score, self.score, self.share)


def _share(block: tuple[float, float, float]) -> float:
    return block[2] / block[0]


def isotonic_calibrator(truth: IntArray, probabilities: FloatArray) -> Calibrator:
    """Fit one isotonic map a class; return what applies them all and makes rows sum to 1."""
    maps = [Isotonic.fit(column, truth == k) for k, column in enumerate(probabilities.T)]

    def apply(rows: FloatArray) -> FloatArray:
        mapped = np.stack([m(column) for m, column in zip(maps, rows.T, strict=True)], axis=1)
        mapped = np.maximum(mapped, 1e-6)
        result: FloatArray = mapped / mapped.sum(axis=1, keepdims=True)
        return result

    return apply


def cross_fitted(
    fit: Callable[[IntArray, FloatArray], Calibrator],
    truth: IntArray,
    probabilities: FloatArray,
    persons: Sequence[Any] | npt.NDArray[Any] | None,
    *,
    folds: int = 5,
    seed: int = 0,
) -> FloatArray:
    """Calibrate every person's probabilities by a fit on the other people alone.

    Args:
        fit: makes a calibrator of (N,) classes and (N, K) probabilities.
        truth: (N,) classes.
        probabilities: (N, K).
        persons: (N,) whom each item comes from; ``None``: every item is a person of its own.
        folds: at most; never more than there are persons.
        seed: of the division of the persons.

    Raises:
        MetricsError: fewer than two persons.
    """
    names = np.arange(len(truth)) if persons is None else np.asarray(persons)
    _, owner = np.unique(names, return_inverse=True)
    people = int(owner.max()) + 1
    if people < 2:
        raise MetricsError("calibration by other people needs at least two persons; got 1")
    count = min(folds, people)
    fold = (np.random.default_rng(seed).permutation(people) % count)[owner]
    rows = np.empty_like(probabilities)
    for k in range(count):
        calibrator = fit(truth[fold != k], probabilities[fold != k])
        rows[fold == k] = calibrator(probabilities[fold == k])
    return rows


def threshold_of(scores: Iterable[Score]) -> float:
    """Return :func:`unknown_threshold` over the held-out predictions of all scores together.

    Args:
        scores: of one model, with their predictions and as many classes.
    """
    items = [score.predictions for score in scores if score.predictions is not None]
    rows = np.concatenate([item.probabilities for item in items])
    truth = np.concatenate([item.truth for item in items])
    return unknown_threshold(rows.max(axis=1), rows.argmax(axis=1) == truth, rows.shape[1])


def unknown_threshold(
    confidence: npt.NDArray[np.floating],
    right: npt.NDArray[np.bool_],
    classes: int,
    least: float = LEAST_SKILL,
) -> float:
    """Return the confidence below which the skill of an answer is less than ``least``.

    The accuracy of a neighbourhood, a twentieth of the answers in the order of their confidence,
    is compared with ``1/K + least (1 - 1/K)``: 0.40 with seven classes, 0.65 with two.

    Args:
        confidence: (N,) top probability of held-out items.
        right: (N,) whether each answer was right.
        classes: K.
        least: skill that is asked for, [0, 1].

    Returns:
        the threshold; 0 when every neighbourhood has the skill.
    """
    order = np.argsort(confidence)
    width = max(20, len(order) // 20)
    if len(order) <= width:
        return 0.0
    asked = 1.0 / classes + least * (1.0 - 1.0 / classes)
    local = np.convolve(right[order].astype(float), np.ones(width) / width, mode="valid")
    below = np.flatnonzero(local < asked)
    return float(confidence[order][below[-1] + width // 2]) if len(below) else 0.0
