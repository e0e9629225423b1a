"""Logistic regression over feature views, leave-one-subject-out, and calibration (numpy only).

Persons count alike however long their recording is, and stressed and calm windows together weigh
the same. Copies with whole sensors hidden teach the model to answer for a wearable that lacks them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.splits import check_disjoint

Array = npt.NDArray[np.float64]
CLIP = 4.0
"""Standardised features are clipped here: an artefact is not twenty times as stressed."""


@dataclass(frozen=True)
class Windows:
    """Labelled windows of one person.

    Attributes:
        person: unique name.
        features: shape (n, inputs), NaN where missing.
        stress: shape (n,), 0 or 1.
    """

    person: str
    features: Array
    stress: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Logistic:
    """A fitted model: standardise, clip, weigh.

    Attributes:
        mean: shape (inputs,).
        scale: shape (inputs,), above 0.
        weights: shape (inputs,).
        bias: of the logit.
    """

    mean: Array
    scale: Array
    weights: Array
    bias: float

    def standardise(self, features: Array) -> Array:
        """Shape (n, inputs); 0 where missing: the mean."""
        return np.clip(np.nan_to_num((features - self.mean) / self.scale), -CLIP, CLIP)

    def logit(self, features: Array) -> Array:
        """Shape (n,)."""
        return self.standardise(features) @ self.weights + self.bias


def sigmoid(logit: Array) -> Array:
    """Logistic function, safe for large arguments."""
    return 1.0 / (1.0 + np.exp(-np.clip(logit, -30.0, 30.0)))


def sample_weights(people: Sequence[Windows]) -> Array:
    """Weights under which persons count alike and both classes weigh the same, mean 1."""
    stress = np.concatenate([person.stress for person in people])
    weights = np.concatenate([np.full(len(p.stress), 1.0 / len(p.stress)) for p in people])
    for label in (0, 1):
        chosen = stress == label
        if not chosen.any():
            raise DatasetError("training needs stressed and calm windows; one kind is missing")
        weights[chosen] /= weights[chosen].sum()
    return weights * len(weights) / weights.sum()


def fit_logistic(
    people: Sequence[Windows], ridge: float, copies: Sequence[Windows] = (), hidden: float = 0.0
) -> Logistic:
    """Fit by Newton's method with a ridge penalty (Hastie et al., ESL, 4.4.1).

    Args:
        people: training persons.
        ridge: penalty on the squared weights of the standardised features.
        copies: the same persons with sensors hidden.
        hidden: weight of the copies against the originals.

    Raises:
        DatasetError: one of the two classes is missing.
    """
    weights = sample_weights(people)
    start = scaled_by(people)
    shown = [*people, *copies]
    inputs = start.standardise(np.concatenate([person.features for person in shown]))
    stress = np.concatenate([person.stress for person in shown]).astype(np.float64)
    if copies:
        weights = np.concatenate([weights, hidden * sample_weights(copies)])
    return _newton(start, inputs, stress, weights, ridge)


def scaled_by(people: Sequence[Windows]) -> Logistic:
    """The scaling of a fit on these persons, with nothing learned yet: it makes the embedding."""
    features = np.concatenate([person.features for person in people])
    mean, scale = _moments(features, sample_weights(people))
    return Logistic(mean, scale, np.zeros(len(mean)), 0.0)


def _moments(features: Array, weights: Array) -> tuple[Array, Array]:
    """Weighted mean and standard deviation of what is there."""
    there = np.isfinite(features)
    filled = np.where(there, features, 0.0)
    total = np.maximum((there * weights[:, None]).sum(axis=0), 1e-9)
    mean = (filled * weights[:, None]).sum(axis=0) / total
    spread = np.where(there, (filled - mean) ** 2, 0.0)
    return mean, np.sqrt((spread * weights[:, None]).sum(axis=0) / total) + 1e-6


def _newton(
    start: Logistic, inputs: Array, stress: Array, weights: Array, ridge: float
) -> Logistic:
    design = np.c_[inputs, np.ones(len(inputs))]
    penalty = np.full(design.shape[1], ridge)
    penalty[-1] = 1e-6
    beta = np.zeros(design.shape[1])
    for _ in range(20):
        p = sigmoid(design @ beta)
        gradient = design.T @ (weights * (p - stress)) + penalty * beta
        hessian = (design * (weights * p * (1.0 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        beta -= step
        if np.abs(step).max() < 1e-5:
            break
    return Logistic(start.mean, start.scale, beta[:-1], float(beta[-1]))


class Model(Protocol):
    """What can be left-one-out: anything that gives logits."""

    def logit(self, features: Array) -> Array:
        """Shape (n,)."""
        ...


def held_out(
    training: Mapping[str, Windows],
    test: Mapping[str, Windows],
    folds: Iterable[Sequence[str]],
    fit: Callable[[Sequence[Windows]], Model],
) -> dict[str, Array]:
    """Logits of every test person's windows from a model that never saw that person.

    Args:
        training: person to training windows.
        test: person to windows that are judged.
        folds: persons that are left out together.
        fit: makes a model of training persons.

    Raises:
        DatasetError: somebody is on both sides, or nobody is left to learn from.
    """
    logits: dict[str, Array] = {}
    for fold in folds:
        others = [windows for person, windows in training.items() if person not in fold]
        if not others:
            raise DatasetError(
                f"nobody is left to learn from without {', '.join(fold)}; needed are at least two "
                f"people of each set"
            )
        check_disjoint([w.person for w in others], [test[person].person for person in fold])
        model = fit(others)
        logits |= {person: model.logit(test[person].features) for person in fold}
    return logits


def subject_folds(persons: Sequence[str], most: int) -> list[list[str]]:
    """Folds by person, each with about as many persons of every data set.

    Args:
        persons: keys `dataset/subject`.
        most: folds at most; never more than the smallest data set has persons, so that each fold
            leaves out exactly one of them.
    """
    sets: dict[str, list[str]] = {}
    for person in persons:
        sets.setdefault(person.split("/")[0], []).append(person)
    count = min(most, *(len(members) for members in sets.values()))
    return [[p for members in sets.values() for p in members[k::count]] for k in range(count)]


def fit_temperature(
    logits: Array, stress: npt.NDArray[np.int64], weights: Array
) -> tuple[float, float]:
    """Temperature and shift that make held-out logits honest (Platt 1999; Guo et al. 2017)."""
    design = np.c_[logits, np.ones(len(logits))]
    # From zero Newton converges; from the logits as they are it can overshoot.
    beta = np.zeros(2)
    for _ in range(50):
        p = sigmoid(design @ beta)
        gradient = design.T @ (weights * (p - stress))
        hessian = (design * (weights * p * (1.0 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        beta -= step
        if np.abs(step).max() < 1e-8:
            break
    slope = max(float(beta[0]), 1e-2)
    return 1.0 / slope, float(beta[1])
