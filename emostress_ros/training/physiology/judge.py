"""How well a stress model does: on people never seen, with sensors missing, on the other data set.

The model that judges a person never saw that person: eleven folds, each of which leaves out one
person of WESAD and two or three of Stress-Predict. The calibration is fitted on those held-out
answers. Training and `emostress score physiology ... --protocol` both judge here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from emostress_ros.files import whole_file
from emostress_ros.metrics import Score, score_predictions
from emostress_ros.modalities.physiology import PhysiologyConfig
from emostress_ros.person.adaptation import RestPopulation, logits_of
from emostress_ros.training.datasets.splits import RANDOM, check_disjoint, random_split
from emostress_ros.training.physiology.architectures import ARCHITECTURES, Task
from emostress_ros.training.physiology.boost import BlendSettings, fit_blend
from emostress_ros.training.physiology.data import SubjectFeatures
from emostress_ros.training.physiology.fit import (
    Array,
    Windows,
    fit_temperature,
    held_out,
    sigmoid,
    subject_folds,
)
from emostress_ros.training.physiology.table import TRAIN_EVERY_S, make_table
from emostress_ros.training.physiology.variants import (
    BOTH,
    NO_PAST,
    WEARABLES,
    Variant,
    every_wearable,
    windows,
)

LABELS = ("calm", "stressed")
FOLDS = 11


@dataclass(frozen=True)
class Judged:
    """A recipe judged on people never seen.

    Attributes:
        temperature: of the calibration.
        shift: of the calibration.
        scores: data set to figures.
        slices: data set to wearable to figures; see `WEARABLES`.
        test: person to judged windows.
        logits: person to calibrated logits of these.
    """

    temperature: float
    shift: float
    scores: Mapping[str, Score]
    slices: Mapping[str, Mapping[str, Score]]
    test: Mapping[str, Windows]
    logits: Mapping[str, Array]


def judge_unseen(
    variant: Variant,
    features: Sequence[SubjectFeatures],
    settings: BlendSettings,
    *,
    progress: bool = False,
    keep: Path | None = None,
) -> Judged:
    """Train eleven times, each time without some people, and judge these.

    Args:
        variant: what the model reads and learns from.
        features: of all people; those of other data sets are left out.
        settings: of the fit.
        progress: show a bar.
        keep: folder that keeps the held-out logits, so that they need not be made again.
    """
    own = [person for person in features if person.subject.dataset in variant.datasets]
    training = {f.subject.key: windows(f, variant, TRAIN_EVERY_S) for f in own}
    test = {f.subject.key: windows(f, variant, PhysiologyConfig().window_s) for f in own}
    file = keep / f"held_out_{fingerprint(training, settings)}.npz" if keep else None
    if file is not None and file.is_file():
        with np.load(file) as stored:
            every = {key: stored[key] for key in test}
    else:
        folds = subject_folds(list(test), FOLDS)
        for fold in folds:
            check_disjoint([key for key in training if key not in fold], fold)
        views = {key: every_wearable(w, settings) for key, w in test.items()}
        shown = _shown(folds, variant.name) if progress else folds
        every = held_out(training, views, shown, partial(fit_blend, settings=settings))
        if file is not None:
            arrays: dict[str, Any] = every
            with whole_file(file) as draft:
                np.savez(draft, **arrays)
    return _judged(variant, test, every)


def _judged(variant: Variant, test: dict[str, Windows], every: Mapping[str, Array]) -> Judged:
    whole = {key: logit[: len(test[key].stress)] for key, logit in every.items()}
    temperature, shift = calibrate(test, whole)

    def part(number: int) -> dict[str, Array]:
        """Calibrated logits of the windows as one wearable gives them; 0: with all sensors."""
        sizes = {key: len(windows_.stress) for key, windows_ in test.items()}
        return {
            key: every[key][number * size : (number + 1) * size] / temperature + shift
            for key, size in sizes.items()
        }

    scores = {name: judge(test, part(0), name) for name in variant.datasets}
    slices = {
        name: {
            wearable: judge(test, part(number), name)
            for number, wearable in enumerate([*WEARABLES, NO_PAST], start=1)
        }
        for name in variant.datasets
    }
    return Judged(temperature, shift, scores, slices, test, part(0))


def calibrate(test: Mapping[str, Windows], logits: Mapping[str, Array]) -> tuple[float, float]:
    """Temperature and shift from held-out logits; data sets count alike, then persons."""
    keys = list(logits)
    sets = [key.split("/")[0] for key in keys]
    weights = np.concatenate(
        [
            np.full(len(logits[key]), 1.0 / len(logits[key]) / sets.count(name))
            for key, name in zip(keys, sets, strict=True)
        ]
    )
    stress = np.concatenate([test[key].stress for key in keys])
    return fit_temperature(
        np.concatenate([logits[key] for key in keys]), stress, weights * len(weights)
    )


def population_at_rest(test: Mapping[str, Windows], logits: Mapping[str, Array]) -> RestPopulation:
    """What a model says of unstressed people it never saw, from calibrated logits."""
    return RestPopulation.measured(
        [logits_of(sigmoid(logit[test[person].stress == 0])) for person, logit in logits.items()]
    )


def judge(test: Mapping[str, Windows], logits: Mapping[str, Array], dataset: str) -> Score:
    """Figures of one data set from held-out, calibrated logits."""
    keys = [key for key in logits if key.startswith(f"{dataset}/")]
    probability = sigmoid(np.concatenate([logits[key] for key in keys]))
    stress = np.concatenate([test[key].stress for key in keys])
    persons = [key for key in keys for _ in test[key].stress]
    return score_predictions(LABELS, stress, np.c_[1.0 - probability, probability], persons)


def judge_across(
    variant: Variant,
    features: Sequence[SubjectFeatures],
    settings: BlendSettings,
    dataset: str,
    *,
    keep: Path | None = None,
) -> Score:
    """Figures on a data set of a model that learned from the other one alone.

    It is calibrated as what ships is: on answers about people of its own set whom it never saw.
    Nothing of the set that is judged, not even the share of stress in it, is known.

    Args:
        variant: what the model reads; it learns from its sets but for the one that is judged.
        features: of all people.
        settings: of the fit.
        dataset: that is judged.
        keep: folder of held-out logits; see :func:`judge_unseen`.
    """
    sources = tuple(name for name in variant.datasets if name != dataset)
    training = [
        windows(f, variant, TRAIN_EVERY_S) for f in features if f.subject.dataset in sources
    ]
    test = {
        f.subject.key: windows(f, variant, PhysiologyConfig().window_s)
        for f in features
        if f.subject.dataset == dataset
    }
    check_disjoint([w.person for w in training], test)
    own = judge_unseen(replace(variant, datasets=sources), features, settings, keep=keep)
    model = fit_blend(training, settings).calibrated(own.temperature, own.shift)
    return judge(test, {key: model.logit(w.features) for key, w in test.items()}, dataset)


def judge_random(
    variant: Variant, features: Sequence[SubjectFeatures], settings: BlendSettings, seed: int
) -> dict[str, Score]:
    """Figures under the literature's random split: a fifth of the windows, whoever they are of."""
    own = [person for person in features if person.subject.dataset in variant.datasets]
    table = make_table(own, variant, settings)
    split = random_split(table.persons, table.stress, seed=seed)
    fitted = ARCHITECTURES["blend"].fit(Task(table, split, seed))
    probability = sigmoid(fitted.logit(split.test))
    persons = np.array(table.persons)[split.test]
    found = {}
    for name in variant.datasets:
        of = np.char.startswith(persons, f"{name}/")
        rows = np.c_[1.0 - probability[of], probability[of]]
        found[name] = score_predictions(
            LABELS, table.stress[split.test][of], rows, persons[of], extra={"split": RANDOM}
        )
    return found


def foreign_sets(variant: Variant) -> tuple[str, ...]:
    """Data sets on which a variant can be judged by a model that learned from another alone."""
    return (
        BOTH if len(variant.datasets) > 1 else tuple(n for n in BOTH if n not in variant.datasets)
    )


def fingerprint(training: Mapping[str, Windows], settings: BlendSettings) -> str:
    """Of what held-out answers depend on: windows, settings, the code of the fit."""
    digest = hashlib.sha256(repr(settings).encode())
    for person, own in training.items():
        digest.update(person.encode() + own.features.tobytes() + own.stress.tobytes())
    for code in ("boost.py", "fit.py", "perceptron.py", "perceptron_fit.py"):
        digest.update((Path(__file__).parent / code).read_bytes())
    return digest.hexdigest()[:12]


def _shown(folds: list[list[str]], text: str) -> Iterable[list[str]]:
    from rich.console import Console
    from rich.progress import track

    return track(folds, description=text, console=Console(stderr=True))
