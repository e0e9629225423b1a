"""Figures of merit of what was known against what was true, over any number of bags."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS, StressLevel
from emostress_ros.evaluation.evaluate.items import Answers, Moments
from emostress_ros.evaluation.evaluate.states import LABELS
from emostress_ros.metrics import (
    auroc,
    bootstrap_interval,
    concordance_correlation,
    reliability_bins,
    risk_coverage,
    roc_curve,
    score_predictions,
)

STRESS = ("calm", "stressed")
DIMENSIONS = ("valence", "arousal")
RELIABILITY_BINS = 10
_COVERAGES = np.round(np.arange(0.05, 1.001, 0.05), 2)
_ROC_POINTS = 101
_REPETITIONS = 500  # of the bootstrap of what has no quick one


@dataclass(frozen=True)
class Items:
    """Moments and answers of one run, of several bags together.

    Attributes:
        moments: truth; `person` names people over bags.
        answers: what was known.
        cluster: (N,) what is drawn together by the bootstrap.
    """

    moments: Moments
    answers: Answers
    cluster: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.cluster)

    def chosen(self, which: npt.NDArray[Any]) -> Items:
        """Items by mask."""
        moments, answers = self.moments, self.answers
        return Items(
            Moments(
                moments.at_ns[which], moments.label[which], moments.person[which],
                {name: column[which] for name, column in moments.truth.items()},
            ),
            Answers(
                answers.probabilities[which], answers.emotion[which],
                {name: column[which] for name, column in answers.values.items()},
                answers.level[which], answers.weight[which],
            ),
            self.cluster[which],
        )  # fmt: skip


def emotion_figures(items: Items, *, curves: bool = False) -> dict[str, Any] | None:
    """Figures of the emotion's label; None where no moment is labelled.

    An answer is the likeliest of the probabilities; `coverage` says how often the graph itself
    gave a label rather than `unknown`, `answered` how often there were probabilities at all.
    """
    labelled = items.chosen(items.moments.truth["emotion"] >= 0)
    if not len(labelled):
        return None
    answered = np.asarray(np.isfinite(labelled.answers.probabilities).all(axis=1), np.bool_)
    said = labelled.answers.emotion
    named = (said >= 0) & (said != len(LABELS) - 1)
    truth = labelled.moments.truth["emotion"].astype(np.int64)
    result = _coverage(labelled, answered, named)
    result["accuracy_where_named"] = _mean(said[named] == truth[named])
    given = labelled.chosen(answered)
    if not len(given):
        return result
    rows = given.answers.probabilities.astype(np.float64)
    rows /= rows.sum(axis=1, keepdims=True)
    result |= _scored(EMOTIONS, truth[answered], rows, given.cluster)
    if curves:
        correct = rows.argmax(axis=1) == truth[answered]
        result |= _confidence_curves(rows.max(axis=1), correct)
    return result


def stress_figures(items: Items, *, curves: bool = False) -> dict[str, Any] | None:
    """Figures of stressed or not (0.5 divides both truth and answer); None where not labelled."""
    labelled = items.chosen(~np.isnan(items.moments.truth["stress"]))
    if not len(labelled):
        return None
    known = ~np.isnan(labelled.answers.values["stress"])
    graded = labelled.answers.level > int(StressLevel.UNKNOWN)
    result = _coverage(labelled, known, graded)
    given = labelled.chosen(known)
    if not len(given):
        return result
    stress = given.answers.values["stress"].astype(np.float64)
    stated = given.moments.truth["stress"].astype(np.float64)
    truth = (stated >= 0.5).astype(np.int64)
    rows = np.stack([1.0 - stress, stress], axis=1)
    result |= _scored(STRESS, truth, rows, given.cluster)
    result["auroc"] = auroc(truth, stress)
    if curves:
        interval = _interval(lambda chosen: auroc(truth[chosen], stress[chosen]), given.cluster)
        result.setdefault("ci95", {})["auroc"] = interval
        result |= _confidence_curves(np.maximum(stress, 1.0 - stress), (stress >= 0.5) == truth)
        result["roc"] = _roc(truth, stress)
    if not np.isin(stated, (0.0, 1.0)).all():
        result["ccc"] = concordance_correlation(stated, stress)
    return result


def dimension_figures(items: Items, name: str) -> dict[str, Any] | None:
    """Figures of `valence` or `arousal`; None where no moment is labelled."""
    labelled = items.chosen(~np.isnan(items.moments.truth[name]))
    if not len(labelled):
        return None
    known = ~np.isnan(labelled.answers.values[name])
    result = _coverage(labelled, known, known)
    given = labelled.chosen(known)
    if not len(given):
        return result
    said = given.answers.values[name].astype(np.float64)
    truth = given.moments.truth[name].astype(np.float64)
    result["ccc"] = concordance_correlation(truth, said)
    result["rmse"] = float(np.sqrt(np.mean((said - truth) ** 2)))
    result["ci95"] = {
        "ccc": _interval(lambda x: concordance_correlation(truth[x], said[x]), given.cluster)
    }
    return result


def all_figures(items: Items, *, curves: bool = False) -> dict[str, Any]:
    """Figures of everything that is labelled."""
    found = {
        "emotion": emotion_figures(items, curves=curves),
        "stress": stress_figures(items, curves=curves),
        **{name: dimension_figures(items, name) for name in DIMENSIONS},
    }
    return {name: figures for name, figures in found.items() if figures is not None}


def _coverage(
    labelled: Items, answered: npt.NDArray[np.bool_], given: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    return {
        "labelled": len(labelled),
        "answered": _mean(answered),
        "coverage": _mean(given),
    }


def _scored(
    labels: Sequence[str],
    truth: npt.NDArray[np.int64],
    rows: npt.NDArray[np.float64],
    cluster: npt.NDArray[np.str_],
) -> dict[str, Any]:
    plain = score_predictions(labels, truth, rows, cluster).to_json_dict()
    plain["clusters"] = plain.pop("persons")
    plain.pop("balanced_accuracy")  # another name of the UAR
    return {name: value for name, value in plain.items() if value is not None}


def _confidence_curves(
    confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """Reliability, and risk over coverage."""
    bins = reliability_bins(np.minimum(confidence, 1.0), correct, RELIABILITY_BINS)
    held = bins.count > 0
    curve = risk_coverage(np.minimum(confidence, 1.0), correct)
    return {
        "reliability": [
            {"n": int(n), "confidence": float(c), "accuracy": float(a)}
            for n, c, a in zip(bins.count[held], bins.confidence[held], bins.accuracy[held],
                               strict=True)
        ],
        "risk_coverage": [
            {"coverage": float(x), "risk": float(np.interp(x, curve.coverage, curve.risk))}
            for x in _COVERAGES
        ],
        "aurc": curve.area,
    }  # fmt: skip


def _roc(truth: npt.NDArray[np.int64], stress: npt.NDArray[np.float64]) -> list[list[float]]:
    false, true = roc_curve(truth, stress)
    if not len(false):
        return []
    at = np.linspace(0.0, 1.0, _ROC_POINTS)
    curve = zip(at, np.interp(at, false, true), strict=True)
    return [[0.0, 0.0], *([float(x), float(y)] for x, y in curve)]


def _interval(
    statistic: Callable[[npt.NDArray[np.int64]], float], cluster: npt.NDArray[np.str_]
) -> list[float]:
    return list(bootstrap_interval(statistic, cluster, repetitions=_REPETITIONS))


def _mean(flags: npt.NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else math.nan
