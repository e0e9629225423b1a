"""The shipped recipe: a line, gradient-boosted trees (scikit-learn) and small perceptrons.

The blend's logit is the mean of what its parts say: the line serves WESAD best, the trees
Stress-Predict. Trees see a missing feature as missing and send it down the branch that served best
in training; for the others it is the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.training.physiology.fit import (
    Array,
    Logistic,
    Windows,
    fit_logistic,
    sample_weights,
    sigmoid,
)
from emostress_ros.training.physiology.perceptron import (
    Perceptron,
    PerceptronSettings,
    fit_perceptrons,
)

LINE, TREES, PERCEPTRONS = "line", "trees", "perceptrons"
PARTS = (LINE, TREES, PERCEPTRONS)
"""Parts of the blend; those that are there count alike."""


@dataclass(frozen=True)
class BlendSettings:
    """How the blend is fitted.

    Attributes:
        ridge: of the logistic model.
        groups: shape (inputs,), the sensor of each input; see :func:`.export.sensor_groups`.
        past: shape (inputs,), whether an input is read against the person's past.
        rounds: trees of one boosting.
        leaves: of one tree.
        learning_rate: of the boosting.
        seeds: boostings averaged.
        hidden: weight of the copies with hidden sensors or past.
        seed: of everything random.
        parts: of `PARTS`: which take part.
        perceptrons: how they are fitted.
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
    parts: tuple[str, ...] = PARTS
    perceptrons: PerceptronSettings = field(default_factory=PerceptronSettings)


@dataclass(frozen=True)
class Blend:
    """A line, boosted trees and perceptrons; the mean of the parts that are there.

    Attributes:
        logistic: the linear part; its scaling is that of the embedding and the perceptrons.
        boosters: fitted `HistGradientBoostingClassifier`s; their raw scores are averaged.
        perceptrons: their logits are averaged.
        line: whether the linear part is heard.
        temperature: divides the logit.
        shift: is added to the logit after that.
    """

    logistic: Logistic
    boosters: tuple[Any, ...] = field(default_factory=tuple)
    perceptrons: tuple[Perceptron, ...] = field(default_factory=tuple)
    line: bool = True
    temperature: float = 1.0
    shift: float = 0.0

    @property
    def share(self) -> float:
        """Weight of each part."""
        return 1.0 / (int(self.line) + bool(self.boosters) + bool(self.perceptrons))

    def logit(self, features: Array) -> Array:
        """Shape (n,)."""
        said = []
        if self.line:
            said.append(self.logistic.logit(features))
        if self.boosters:
            said.append(np.mean([b.decision_function(features) for b in self.boosters], axis=0))
        if self.perceptrons:
            inputs = self.logistic.standardise(features)
            said.append(np.mean([p.logit(inputs) for p in self.perceptrons], axis=0))
        logit: Array = np.mean(said, axis=0) / self.temperature + self.shift
        return logit

    def predict(self, features: Array) -> Array:
        """Probability of stress, shape (n,)."""
        return sigmoid(self.logit(features))

    def calibrated(self, temperature: float, shift: float) -> Blend:
        """Return the same model with another calibration."""
        return replace(self, temperature=temperature, shift=shift)


def fit_blend(people: Sequence[Windows], settings: BlendSettings) -> Blend:
    """Fit all parts on the same persons.

    Raises:
        DatasetError: one of the two classes is missing.
    """
    rng = np.random.default_rng(settings.seed)
    shown, weights = _with_hidden(people, settings, rng)
    stress = np.concatenate([person.stress for person in shown])
    features = np.concatenate([person.features for person in shown])
    line = fit_logistic(people, settings.ridge, shown[len(people) :], settings.hidden)
    count = settings.seeds if TREES in settings.parts else 0
    boosters = tuple(
        _booster(settings, settings.seed + k).fit(features, stress, sample_weight=weights)
        for k in range(count)
    )
    perceptrons: tuple[Perceptron, ...] = ()
    if PERCEPTRONS in settings.parts:
        perceptrons = fit_perceptrons(
            line.standardise(features), stress, weights, settings.perceptrons, settings.seed
        )
    return Blend(line, boosters, perceptrons, line=LINE in settings.parts)


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
