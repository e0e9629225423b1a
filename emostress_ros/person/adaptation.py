"""What a person's few labelled windows change in a model: its calibration, or its head.

It works on logits and embeddings alone, so any model that has them can be personalised: no
gradient passes the model. The logits are scaled and shifted, and with `HEAD` a linear layer over
the embedding is added:

    adapted = scale * logits + shift + embedding @ weights

All of it is drawn towards "as it was" by a quadratic penalty (a Gaussian prior; maximum a
posteriori, as in Chelba and Acero, "Adaptation of maximum entropy capitalizer", Computer Speech and
Language 2006), so that one window changes little and twenty change what they can.

Resting windows alone cannot be fitted so: they are of one class, and would teach the model to say
that class for ever. They tell how far the person's rest lies from other people's (`adapt_rest`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from emostress_ros.errors import ParameterError, SignalError

CALIBRATION, HEAD = "calibration", "head"
METHODS = (CALIBRATION, HEAD)
REST_SHARE = 0.25
"""How much of a rest's distance is taken off: the stressed windows follow the rest only in part."""
_FORMAT = 1
_TINY = 1e-9

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """How strongly a person's windows are distrusted: penalty of each squared change.

    Attributes:
        scale: of the logits' scale.
        shift: of each class's shift.
        weights: of each weight on the embedding.
    """

    scale: float = 10.0
    shift: float = 3.0
    weights: float = 100.0

    def __post_init__(self) -> None:
        for name in ("scale", "shift", "weights"):
            if not getattr(self, name) > 0.0:
                raise ParameterError(f"prior '{name}' must be above 0; got {getattr(self, name)}")


@dataclass(frozen=True)
class Adaptation:
    """A person's correction of K logits.

    Attributes:
        scale: factor of the logits, above 0.
        shift: shape (K,).
        weights: shape (D, K) on the embedding; (0, K): the embedding is not looked at.
        windows: shape (K,), how many windows of each class it was made from; rest is the first.
    """

    scale: float
    shift: Array
    weights: Array
    windows: npt.NDArray[np.int64]

    @property
    def method(self) -> str:
        """`calibration` or `head`."""
        return HEAD if len(self.weights) else CALIBRATION

    def apply(self, logits: npt.ArrayLike, embeddings: npt.ArrayLike | None = None) -> Array:
        """Corrected logits of (N, K) and, when the head was adapted, embeddings (N, D).

        Raises:
            SignalError: another number of classes or dimensions.
        """
        rows = _rows(logits, "logits")
        if rows.shape[1] != len(self.shift):
            raise SignalError(f"adapted {len(self.shift)} classes; got {rows.shape[1]}")
        adapted: Array = self.scale * rows + self.shift
        if not len(self.weights):
            return adapted
        seen = _rows(embeddings if embeddings is not None else np.zeros((0, 0)), "embeddings")
        if seen.shape != (len(rows), len(self.weights)):
            raise SignalError(
                f"need embeddings of shape {(len(rows), len(self.weights))}; got {seen.shape}"
            )
        return adapted + seen @ self.weights

    def apply_probability(self, probability: float, embedding: npt.ArrayLike) -> float:
        """Corrected probability of the second of two classes, such as stress, for one window."""
        logits = logits_of(np.array([probability]))
        rows = self.apply(logits, np.asarray(embedding, np.float64)[None])[0]
        return float(1.0 / (1.0 + np.exp(np.clip(rows[0] - rows[1], -60.0, 60.0))))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a card."""
        return {
            "format": _FORMAT,
            "method": self.method,
            "scale": float(self.scale),
            "shift": [float(value) for value in self.shift],
            "weights": [[float(f"{value:.6g}") for value in row] for row in self.weights],
            "windows": [int(count) for count in self.windows],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Adaptation:
        """The adaptation that `to_dict` wrote; SignalError where it did not."""
        if not isinstance(values, Mapping) or values.get("format") != _FORMAT:
            raise SignalError(f"need an adaptation of format {_FORMAT}; got {values!r:.80}")
        try:
            shift = np.asarray(values["shift"], np.float64)
            weights = np.asarray(values["weights"], np.float64).reshape(-1, len(shift))
            windows = np.asarray(values["windows"], np.int64)
            scale = float(values["scale"])
        except (KeyError, TypeError, ValueError) as error:
            raise SignalError(f"an adaptation lacks or misstates {error}") from error
        sound = np.isfinite(shift).all() and np.isfinite(weights).all() and scale > 0.0
        if not sound or len(shift) < 2 or windows.shape != shift.shape:
            raise SignalError("an adaptation needs a scale above 0 and finite numbers that fit")
        return cls(scale, shift, weights, windows)


@dataclass(frozen=True)
class RestPopulation:
    """What a model says of other people at rest.

    Attributes:
        mean: shape (K,), of the logits.
        between: variance of the people's means, summed over classes, at least 0.
        within: variance of one person's windows, summed over classes, above 0.
    """

    mean: Array
    between: float
    within: float

    @classmethod
    def measured(cls, people: Sequence[npt.ArrayLike]) -> RestPopulation:
        """From each person's logits at rest, (n, K) with at least two windows.

        Raises:
            SignalError: fewer than two people with two windows.
        """
        rows = [_rows(person, "logits") for person in people]
        rows = [own for own in rows if len(own) > 1]
        if len(rows) < 2:
            raise SignalError(f"need two windows of rest of two people; got {len(rows)} people")
        means = np.array([own.mean(axis=0) for own in rows])
        within = float(np.mean([own.var(axis=0, ddof=1).sum() for own in rows]))
        # What the windows' own noise adds to the spread of the means is not the people's.
        noise = within * float(np.mean([1.0 / len(own) for own in rows]))
        between = max(0.0, float(means.var(axis=0, ddof=1).sum()) - noise)
        return cls(means.mean(axis=0), between, max(within, _TINY))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a card."""
        mean = [round(float(value), 4) for value in self.mean]
        return {"mean": mean, "between": round(self.between, 4), "within": round(self.within, 4)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RestPopulation:
        """What `to_dict` wrote; SignalError where it did not."""
        try:
            mean = np.asarray(values["mean"], np.float64)
            between, within = float(values["between"]), float(values["within"])
        except (KeyError, TypeError, ValueError) as error:
            raise SignalError(f"a population at rest lacks or misstates {error}") from error
        if mean.ndim != 1 or not np.isfinite(mean).all() or between < 0.0 or within <= 0.0:
            raise SignalError("a population at rest needs finite means and variances above 0")
        return cls(mean, between, within)


def adapt_rest(
    logits: npt.ArrayLike, population: RestPopulation, share: float = REST_SHARE
) -> Adaptation:
    """Shift a person's logits by how far their rest lies from other people's.

    The person's mean is drawn towards the population's as far as its windows are few and noisy
    (the empirical-Bayes estimate of a random intercept; Laird and Ware, Biometrics 1982).

    Args:
        logits: shape (N, K), of resting windows.
        population: other people's.
        share: of the distance that is taken off, [0, 1].

    Raises:
        SignalError: no window, NaN, or another number of classes.
        ParameterError: a share outside [0, 1].
    """
    rows = _rows(logits, "logits")
    if not 0.0 <= share <= 1.0:
        raise ParameterError(f"share must lie in [0, 1]; got {share}")
    if len(rows) == 0 or rows.shape[1] != len(population.mean):
        raise SignalError(f"need windows with {len(population.mean)} logits; got {rows.shape}")
    trusted = len(rows) * population.between / (len(rows) * population.between + population.within)
    shift = -share * trusted * (rows.mean(axis=0) - population.mean)
    windows = np.zeros(rows.shape[1], np.int64)
    windows[0] = len(rows)
    return Adaptation(1.0, shift, np.zeros((0, rows.shape[1])), windows)


def logits_of(probability: npt.ArrayLike) -> Array:
    """Logits (N, 2) of calibrated probabilities (N,) of the second class."""
    p = np.clip(np.asarray(probability, np.float64), _TINY, 1.0 - _TINY)
    return np.stack([np.zeros_like(p), np.log(p / (1.0 - p))], axis=-1)


def adapt(
    logits: npt.ArrayLike,
    labels: npt.ArrayLike,
    embeddings: npt.ArrayLike | None = None,
    *,
    method: str = CALIBRATION,
    prior: Prior | None = None,
) -> Adaptation:
    """Fit a person's correction on a few windows.

    Args:
        logits: shape (N, K), what the model says of the windows; N may be 1.
        labels: shape (N,), class of each.
        embeddings: shape (N, D), for `HEAD`.
        method: of `METHODS`; the head includes the calibration.
        prior: how much a window may change.

    Raises:
        ParameterError: an unknown method.
        SignalError: no window, shapes that do not fit, NaN, or a label that is no class.
    """
    if method not in METHODS:
        raise ParameterError(f"method must be one of {', '.join(METHODS)}; got '{method}'")
    rows = _rows(logits, "logits")
    count, classes = rows.shape
    truth = np.asarray(labels, np.int64)
    if count == 0 or classes < 2 or truth.shape != (count,):
        raise SignalError(
            f"need logits (N, K) of at least one window and two classes and N labels; "
            f"got {rows.shape} and {truth.shape}"
        )
    if truth.min() < 0 or truth.max() >= classes:
        raise SignalError(f"labels must lie in [0, {classes}); got {truth.min()} to {truth.max()}")
    seen = np.zeros((count, 0))
    if method == HEAD:
        seen = _rows(embeddings if embeddings is not None else np.zeros((0, 1)), "embeddings")
        if len(seen) != count:
            raise SignalError(f"need an embedding of each of {count} windows; got {len(seen)}")
    return _fit(rows, truth, seen, prior or Prior())


def _fit(rows: Array, truth: npt.NDArray[np.int64], seen: Array, prior: Prior) -> Adaptation:
    classes, width = rows.shape[1], seen.shape[1]
    # One class or one window cannot tell how sure the model should be: its scale stays.
    stiff = prior.scale if len(set(truth.tolist())) > 1 else 1e6
    wanted = np.eye(classes)[truth]
    penalty = np.r_[stiff, np.full(classes, prior.shift), np.full(width * classes, prior.weights)]
    start = np.r_[1.0, np.zeros(classes + width * classes)]

    def loss(values: Array) -> tuple[float, Array]:
        shift, weights = values[1 : 1 + classes], values[1 + classes :].reshape(width, classes)
        adapted = values[0] * rows + shift + seen @ weights
        adapted -= adapted.max(axis=1, keepdims=True)
        total = np.exp(adapted).sum(axis=1, keepdims=True)
        probability = np.exp(adapted) / total
        change = values - start
        value = -float((wanted * (adapted - np.log(total))).sum())
        value += 0.5 * float(penalty @ change**2)
        wrong = probability - wanted
        slope = np.r_[(wrong * rows).sum(), wrong.sum(axis=0), (seen.T @ wrong).ravel()]
        return value, slope + penalty * change

    bounds = [(1e-2, None)] + [(None, None)] * (len(start) - 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Adaptation(
        float(found[0]),
        found[1 : 1 + classes],
        found[1 + classes :].reshape(width, classes),
        np.bincount(truth, minlength=classes),
    )


def _rows(values: npt.ArrayLike, name: str) -> Array:
    rows = np.asarray(values, np.float64)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise SignalError(f"{name} must be finite and of shape (N, ...); got shape {rows.shape}")
    return rows
