"""What a person's own windows give: 1, 5 and 20 of them, on WESAD and Stress-Predict.

The base model never saw the person (eleven folds by subject), nor did its calibration. Of a
person's windows some are drawn for the adaptation; the others are scored, before and after. This
is repeated with other draws, and averaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.metrics import bootstrap_interval
from emostress_ros.person.adaptation import (
    CALIBRATION,
    HEAD,
    Prior,
    RestPopulation,
    adapt,
    adapt_rest,
    logits_of,
)
from emostress_ros.training.physiology.boost import BlendSettings
from emostress_ros.training.physiology.data import SubjectFeatures
from emostress_ros.training.physiology.fit import Array, scaled_by, sigmoid, subject_folds
from emostress_ros.training.physiology.judge import (
    FOLDS,
    calibrate,
    judge_unseen,
    population_at_rest,
)
from emostress_ros.training.physiology.table import TRAIN_EVERY_S
from emostress_ros.training.physiology.variants import Variant, windows

COUNTS = (0, 1, 5, 20)
"""Windows of the person that are given; 0: the model as it was."""
RESTING = "resting"
WAYS: Mapping[str, str] = {
    RESTING: "resting windows alone: the shift",
    CALIBRATION: "labelled windows: shift and scale",
    HEAD: "labelled windows: shift, scale and a layer over the embedding",
}
"""Ways to personalise."""


@dataclass(frozen=True)
class Answers:
    """What a model that never saw a person says of their windows, which do not overlap.

    Attributes:
        logit: shape (n,), calibrated on other people.
        embedding: shape (n, D).
        stress: shape (n,), 0 or 1.
        population: what the model says of other people at rest.
    """

    logit: Array
    embedding: Array
    stress: npt.NDArray[np.int64]
    population: RestPopulation


@dataclass(frozen=True)
class Gain:
    """What one way gives with one number of windows on one data set.

    Attributes:
        dataset: `wesad` or `stress_predict`.
        model: whose recipe.
        way: of `WAYS`.
        count: windows given.
        persons: people scored.
        figures: `accuracy`, `uar`, `log_loss`: mean over people of the mean over draws.
        ci95: interval of each over people.
        change: interval of each figure's difference to no window, over people.
    """

    dataset: str
    model: str
    way: str
    count: int
    persons: int
    figures: Mapping[str, float]
    ci95: Mapping[str, tuple[float, float]]
    change: Mapping[str, tuple[float, float]]


def unseen_answers(
    variant: Variant,
    features: Sequence[SubjectFeatures],
    settings: BlendSettings,
    keep: Path | None = None,
) -> dict[str, Answers]:
    """Answers of every person's windows by a base model of other people, calibrated on others.

    Args:
        variant: whose recipe.
        features: of all people.
        settings: of the fit.
        keep: folder that keeps held-out answers; None: make them anew.
    """
    judged = judge_unseen(variant, features, settings, progress=True, keep=keep)
    raw = {
        person: (logit - judged.shift) * judged.temperature
        for person, logit in judged.logits.items()
    }
    own = [person for person in features if person.subject.dataset in variant.datasets]
    training = {f.subject.key: windows(f, variant, TRAIN_EVERY_S) for f in own}
    found = {}
    for fold in subject_folds(list(raw), FOLDS):
        scaling = scaled_by([own for person, own in training.items() if person not in fold])
        for person in fold:
            others = {other: logit for other, logit in raw.items() if other != person}
            temperature, shift = calibrate(judged.test, others)
            found[person] = Answers(
                raw[person] / temperature + shift,
                scaling.standardise(judged.test[person].features),
                judged.test[person].stress,
                population_at_rest(judged.test, {p: judged.logits[p] for p in others}),
            )
    return {person: found[person] for person in raw}


def draw(
    stress: npt.NDArray[np.int64], most: int, way: str, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Divide one person's windows: (those given, in order; those scored).

    Labelled windows are drawn whatever they are, but the second is of the other kind than the
    first, so that five know both. Resting windows are drawn from the calm ones. Of each kind at
    least two stay to be scored.
    """
    order = rng.permutation(len(stress))
    order = np.concatenate([order[stress[order] == label][2:] for label in (0, 1)])
    order = rng.permutation(order)
    if way == RESTING:
        given = order[stress[order] == 0][:most]
    else:
        other = order[stress[order] != stress[order[0]]][:1]
        given = np.r_[order[:1], other, np.setdiff1d(order[1:], other, True)][:most]
        given = np.r_[given[:2], rng.permutation(given[2:])]
    return given, np.setdiff1d(np.arange(len(stress)), given)


def personalised(answers: Answers, given: npt.NDArray[np.int64], way: str, prior: Prior) -> Array:
    """Logits of all windows after an adaptation on those given; as they were for none."""
    if len(given) == 0:
        return answers.logit
    both = logits_of(sigmoid(answers.logit))
    if way == RESTING:
        fitted = adapt_rest(both[given], answers.population)
    else:
        fitted = adapt(
            both[given], answers.stress[given], answers.embedding[given], method=way, prior=prior
        )
    rows = fitted.apply(both, answers.embedding)
    return rows[:, 1] - rows[:, 0]


def gains(
    everyone: Mapping[str, Answers],
    model: str,
    *,
    ways: Sequence[str] = tuple(WAYS),
    prior: Prior | None = None,
    draws: int = 20,
    seed: int = 0,
) -> Iterator[Gain]:
    """Score every way and number of windows on every data set.

    Args:
        everyone: person to answers.
        model: whose recipe, for the record.
        ways: of `WAYS`.
        prior: of the labelled ways.
        draws: how often windows are drawn.
        seed: of the draws.
    """
    for dataset in dict.fromkeys(person.split("/")[0] for person in everyone):
        own = {p: a for p, a in everyone.items() if p.startswith(f"{dataset}/")}
        for way in ways:
            table = np.stack(
                [_person(answers, way, prior or Prior(), draws, seed + i)
                 for i, answers in enumerate(own.values())]
            )  # fmt: skip
            for number, count in enumerate(COUNTS):
                yield _gain(dataset, model, way, count, table[:, number], table[:, 0])


def _person(answers: Answers, way: str, prior: Prior, draws: int, seed: int) -> Array:
    """Mean over draws of each figure of one person, shape (counts, figures)."""
    found = []
    for number in range(draws):
        rng = np.random.default_rng((seed, number))
        given, scored = draw(answers.stress, COUNTS[-1], way, rng)
        found.append(
            [_figures(personalised(answers, given[:count], way, prior)[scored],
                      answers.stress[scored]) for count in COUNTS]
        )  # fmt: skip
    mean: Array = np.mean(found, axis=0)
    return mean


FIGURES = ("accuracy", "uar", "log_loss")


def _figures(logit: Array, stress: npt.NDArray[np.int64]) -> tuple[float, ...]:
    right = (logit > 0) == (stress == 1)
    recalls = [float(right[stress == label].mean()) for label in (0, 1)]
    signed = np.where(stress == 1, logit, -logit)
    return float(right.mean()), float(np.mean(recalls)), float(np.logaddexp(0.0, -signed).mean())


def _gain(dataset: str, model: str, way: str, count: int, rows: Array, before: Array) -> Gain:
    people = list(range(len(rows)))

    def interval(values: Array) -> tuple[float, float]:
        return bootstrap_interval(lambda index: float(values[index].mean()), people)

    return Gain(
        dataset, model, way, count, len(rows),
        {name: float(rows[:, k].mean()) for k, name in enumerate(FIGURES)},
        {name: interval(rows[:, k]) for k, name in enumerate(FIGURES)},
        {name: interval(rows[:, k] - before[:, k]) for k, name in enumerate(FIGURES)},
    )  # fmt: skip
