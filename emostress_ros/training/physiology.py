"""Train the stress models of a wrist-worn wearable: `emostress train physiology`.

The model that judges a person never saw that person: eleven folds, each of which leaves out one
person of WESAD and two or three of Stress-Predict. The calibration is fitted on those held-out
answers, the shipped weights on everybody.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from emostress_ros.metrics import Score, score_predictions
from emostress_ros.modalities.physiology import PhysiologyConfig
from emostress_ros.training.datasets import stress_predict, wesad
from emostress_ros.training.physiology_boost import Blend, fit_blend
from emostress_ros.training.physiology_card import CardFacts, write_card
from emostress_ros.training.physiology_data import SubjectFeatures, all_features
from emostress_ros.training.physiology_export import export_blend
from emostress_ros.training.physiology_fit import (
    Array,
    Windows,
    fit_temperature,
    held_out,
    sigmoid,
    subject_folds,
)
from emostress_ros.training.physiology_plot import plot_subjects
from emostress_ros.training.physiology_variants import (
    BOTH,
    NO_PAST,
    VARIANTS,
    WEARABLES,
    Variant,
    blend_settings,
    every_wearable,
    windows,
)

LABELS = ("calm", "stressed")
_TRAIN_EVERY_S = 30.0
_FOLDS = 11


def main(argv: Sequence[str] | None = None) -> int:
    """Run `emostress train physiology`; return the exit status."""
    args = _arguments(argv)
    subjects = [*wesad.subjects(args.data), *stress_predict.subjects(args.data)]
    features = all_features(subjects, PhysiologyConfig(), args.cache, args.processes)
    for variant in VARIANTS:
        if args.only in (None, variant.name):
            train(variant, features, args)
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="emostress train physiology", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True,
        help="folder with segments.csv, wesad/ and stress_predict/",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("models"), help="folder of the models")
    parser.add_argument("--figures", type=Path, default=Path("docs/figures"), help="for the plot")
    parser.add_argument("--cache", type=Path, help="folder that keeps the features between runs")
    parser.add_argument("--processes", type=int, default=2, help="for the features")
    parser.add_argument("--only", choices=[v.name for v in VARIANTS], help="only this model")
    parser.add_argument("--ridge", type=float, default=300.0, help="of the logistic part")
    parser.add_argument("--rounds", type=int, default=100, help="trees of one boosting")
    parser.add_argument("--seeds", type=int, default=1, help="boostings averaged; 0: none")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    return parser.parse_args(argv)


def train(variant: Variant, features: Sequence[SubjectFeatures], args: argparse.Namespace) -> None:
    """Judge one variant on held-out persons, fit it on all and write its folder."""
    settings = blend_settings(variant, args)
    own = [f for f in features if f.subject.dataset in variant.datasets]
    training = {f.subject.key: windows(f, variant, _TRAIN_EVERY_S) for f in own}
    test = {f.subject.key: windows(f, variant, PhysiologyConfig().window_s) for f in own}
    fit = partial(fit_blend, settings=settings)
    folds = subject_folds(list(test), _FOLDS)
    views = {key: every_wearable(w, settings) for key, w in test.items()}
    every = held_out(training, views, _progress(folds, variant.name), fit)
    logits = {key: logit[: len(test[key].stress)] for key, logit in every.items()}
    temperature, shift = calibrate(test, logits)
    model = fit(list(training.values())).calibrated(temperature, shift)
    honest = {key: logit / temperature + shift for key, logit in logits.items()}
    scores = {name: judge(test, honest, name) for name in variant.datasets}
    _print(variant, scores)
    unseen = [name for name in BOTH if name not in variant.datasets]
    foreign = {name: cross(model, features, variant, name) for name in unseen}
    foreign = foreign or cross_figures(training, test, fit)
    wearables = _wearable_scores(test, every, (temperature, shift), variant)
    _print(variant, wearables)
    _write(variant, model, {**scores, **wearables}, foreign, training, args)
    if variant.name == VARIANTS[0].name:
        plot_subjects(test, honest, args.figures / "physiology_loso.png")


def calibrate(test: dict[str, Windows], logits: dict[str, Array]) -> tuple[float, float]:
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


def judge(test: dict[str, Windows], logits: dict[str, Array], dataset: str) -> Score:
    """Figures of one data set from held-out, calibrated logits."""
    keys = [key for key in logits if key.startswith(f"{dataset}/")]
    probability = sigmoid(np.concatenate([logits[key] for key in keys]))
    stress = np.concatenate([test[key].stress for key in keys])
    persons = [key for key in keys for _ in test[key].stress]
    return score_predictions(LABELS, stress, np.c_[1.0 - probability, probability], persons)


def cross(
    model: Blend, features: Sequence[SubjectFeatures], variant: Variant, dataset: str
) -> Score:
    """Figures on a data set that the model never saw."""
    test = {
        f.subject.key: windows(f, variant, PhysiologyConfig().window_s)
        for f in features
        if f.subject.dataset == dataset
    }
    return judge(test, {key: model.logit(w.features) for key, w in test.items()}, dataset)


def cross_figures(
    training: dict[str, Windows], test: dict[str, Windows], fit: Callable[..., Blend]
) -> dict[str, Score]:
    """Trained on the other set alone: the figures on each set that the model never saw."""
    figures = {}
    for dataset in BOTH:
        others = [w for key, w in training.items() if not key.startswith(f"{dataset}/")]
        unseen = {key: w for key, w in test.items() if key.startswith(f"{dataset}/")}
        model = fit(others)
        figures[dataset] = judge(
            test, {key: model.logit(w.features) for key, w in unseen.items()}, dataset
        )
    return figures


def _wearable_scores(
    test: dict[str, Windows],
    every: dict[str, Array],
    calibration: tuple[float, float],
    variant: Variant,
) -> dict[str, Score]:
    """Figures of each poorer wearable on each data set."""
    scores = {}
    for number, wearable in enumerate([*WEARABLES, NO_PAST], start=1):
        logits = {}
        for key, windows_ in test.items():
            size = len(windows_.stress)
            raw = every[key][number * size : (number + 1) * size]
            logits[key] = raw / calibration[0] + calibration[1]
        for dataset in variant.datasets:
            scores[f"{dataset}, {wearable}"] = judge(test, logits, dataset)
    return scores


def _write(
    variant: Variant,
    model: Blend,
    scores: dict[str, Score],
    foreign: dict[str, Score],
    training: dict[str, Windows],
    args: argparse.Namespace,
) -> None:
    folder = args.out / variant.name
    some = np.concatenate([w.features for w in training.values()])[::7]
    difference = export_blend(model, folder / "model.onnx", some)
    facts = CardFacts(
        name=variant.name,
        rest=variant.rest,
        licence=variant.licence,
        views=variant.views,
        persons={
            name: sum(key.startswith(f"{name}/") for key in training) for name in variant.datasets
        },
        model=model,
        scores=scores,
        foreign=foreign,
        difference=difference,
        seed=args.seed,
    )
    write_card(facts, folder)
    print(f"wrote {folder}; ONNX against fit: {difference:.1e}")


def _print(variant: Variant, scores: dict[str, Score]) -> None:
    for name, score in scores.items():
        low, high = score.extra["ci95"]["uar"]
        print(
            f"{variant.name} on {name}, persons never seen: n {score.n}, "
            f"accuracy {score.accuracy:.3f}, balanced {score.balanced_accuracy:.3f} "
            f"[{low:.3f}, {high:.3f}], ECE {score.ece:.3f}"
        )


def _progress(folds: list[list[str]], text: str) -> Iterable[list[str]]:
    from rich.progress import track

    return track(folds, description=text)
