"""Gradient-boosted trees beside the logistic model: what a line cannot say (scikit-learn).

The blend's logit is the weighted mean of the two. Trees see a missing feature as missing and send
it down the branch that served best in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.training.physiology_fit import (
    Array,
    Logistic,
    Windows,
    fit_logistic,
    sample_weights,
    sigmoid,
)

TREES_SHARE = 1.0 / 3.0
"""Weight of the trees: more of them serves Stress-Predict, less of them WESAD."""


@dataclass(frozen=True)
class BlendSettings:
    """How the blend is fitted.

    Attributes:
        ridge: of the logistic model.
        groups: shape (inputs,), the sensor of each input; see `physiology_export.sensor_groups`.
        past: shape (inputs,), whether an input is read against the person's past.
        rounds: trees of one boosting.
        leaves: of one tree.
        learning_rate: of the boosting.
        seeds: boostings averaged.
        hidden: weight of the copies with hidden sensors or past.
        seed: of everything random.
    """

    ridge: float
    groups: npt.NDArray[np.int64]
    past: npt.NDArray[np.bool_]
    rounds: int = 100
    leaves: int = 8
    learning_rate: float = 0.06
    seeds: int = 1
    hidden: float = 0.3
    seed: int = 0


@dataclass(frozen=True)
class Blend:
    """Logistic model and boosted trees.

    Attributes:
        logistic: the linear part.
        boosters: fitted `HistGradientBoostingClassifier`s; their raw scores are averaged.
        temperature: divides the logit.
        shift: is added to the logit after that.
    """

    logistic: Logistic
    boosters: tuple[Any, ...] = field(default_factory=tuple)
    temperature: float = 1.0
    shift: float = 0.0

    def logit(self, features: Array) -> Array:
        """Shape (n,)."""
        linear = self.logistic.logit(features)
        if not self.boosters:
            return linear / self.temperature + self.shift
        trees = np.mean([b.decision_function(features) for b in self.boosters], axis=0)
        both = (1.0 - TREES_SHARE) * linear + TREES_SHARE * trees
        return both / self.temperature + self.shift

    def predict(self, features: Array) -> Array:
        """Probability of stress, shape (n,)."""
        return sigmoid(self.logit(features))

    def calibrated(self, temperature: float, shift: float) -> Blend:
        """Return the same model with another calibration."""
        return replace(self, temperature=temperature, shift=shift)


def fit_blend(people: Sequence[Windows], settings: BlendSettings) -> Blend:
    """Fit both parts on the same persons.

    Raises:
        DatasetError: one of the two classes is missing.
    """
    rng = np.random.default_rng(settings.seed)
    shown, weights = _with_hidden(people, settings, rng)
    stress = np.concatenate([person.stress for person in shown])
    features = np.concatenate([person.features for person in shown])
    boosters = tuple(
        _booster(settings, settings.seed + k).fit(features, stress, sample_weight=weights)
        for k in range(settings.seeds)
    )
    copies = shown[len(people) :]
    return Blend(fit_logistic(people, settings.ridge, copies, settings.hidden), boosters)


def without_past(features: Array) -> Array:
    """What is read against the past, as it is when a stream has just begun: no difference."""
    return np.where(np.isfinite(features), 0.0, np.nan)


def _with_hidden(
    people: Sequence[Windows], settings: BlendSettings, rng: np.random.Generator
) -> tuple[list[Windows], Array]:
    """Persons, copies of them with sensors or past hidden, and the weights of all windows."""
    copies = []
    for person in people:
        half = slice(None, None, 2)  # every other window is enough, and halves the cost
        stress = person.stress[half]
        keep = rng.random((len(stress), int(settings.groups.max()) + 1)) < 0.5
        features = np.where(keep[:, settings.groups], person.features[half], np.nan)
        fresh = rng.random((len(stress), 1)) < 0.5
        features = np.where(fresh & settings.past, without_past(features), features)
        copies.append(Windows(person.person, features, stress))
    weights = [sample_weights(people), settings.hidden * sample_weights(copies)]
    return [*people, *copies], np.concatenate(weights)


def _booster(settings: BlendSettings, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=settings.rounds,
        learning_rate=settings.learning_rate,
        max_leaf_nodes=settings.leaves,
        min_samples_leaf=30,
        l2_regularization=5.0,
        max_features=0.25,
        max_bins=64,
        early_stopping=False,
        random_state=seed,
    )
