"""Train the stress models of a wrist-worn wearable: `emostress train physiology`.

The model that judges a person never saw that person: eleven folds, each of which leaves out one
person of WESAD and two or three of Stress-Predict. The calibration is fitted on those held-out
answers, the shipped weights on everybody. With `--arch` another model of the registry is trained
and judged in the same folds; nothing is shipped of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emostress_ros.metrics import Score
from emostress_ros.modalities.physiology import PhysiologyConfig
from emostress_ros.training.common import plot_curves
from emostress_ros.training.datasets import stress_predict, wesad
from emostress_ros.training.options import number, whole
from emostress_ros.training.physiology.architectures import ARCHITECTURES
from emostress_ros.training.physiology.bench import Bench
from emostress_ros.training.physiology.boost import BlendSettings, fit_blend
from emostress_ros.training.physiology.card import CardFacts, write_card
from emostress_ros.training.physiology.data import SubjectFeatures, all_features
from emostress_ros.training.physiology.export import export_blend
from emostress_ros.training.physiology.judge import (
    FOLDS,
    Judged,
    calibrate,
    foreign_sets,
    judge_across,
    judge_random,
    judge_unseen,
)
from emostress_ros.training.physiology.plot import plot_subjects
from emostress_ros.training.physiology.table import TRAIN_EVERY_S, make_table
from emostress_ros.training.physiology.variants import (
    RECIPE,
    VARIANTS,
    Variant,
    blend_settings,
    windows,
)

__all__ = ["calibrate", "main", "train", "train_other"]
_SHIPPED = "blend"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `emostress train physiology`; return the exit status."""
    args = _arguments(argv)
    subjects = [*wesad.subjects(args.data), *stress_predict.subjects(args.data)]
    features = all_features(subjects, PhysiologyConfig(), args.cache, args.processes)
    for variant in VARIANTS:
        if args.only not in (None, variant.name):
            continue
        if args.arch == _SHIPPED:
            train(variant, features, args)
        else:
            train_other(variant, features, args)
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
    parser.add_argument("--processes", type=whole(1), default=2, help="for the features")
    parser.add_argument("--only", choices=[v.name for v in VARIANTS], help="only this model")
    parser.add_argument(
        "--arch", choices=list(ARCHITECTURES), default=_SHIPPED,
        help="; ".join(f"{a.name}: {a.about}" for a in ARCHITECTURES.values()),
    )  # fmt: skip
    parser.add_argument("--epochs", type=whole(1), default=12, help="of a network, at most")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/physiology"),
        help="checkpoints, logs and curves of a network; a run that was stopped goes on",
    )  # fmt: skip
    parser.add_argument("--ridge", type=number(), default=RECIPE.ridge, help="of the logistic part")
    parser.add_argument(
        "--rounds", type=whole(1), default=RECIPE.rounds, help="trees of one boosting"
    )
    parser.add_argument("--seeds", type=whole(1), default=RECIPE.seeds, help="boostings averaged")
    parser.add_argument("--seed", type=whole(), default=RECIPE.seed, help="of everything random")
    return parser.parse_args(argv)


def train(variant: Variant, features: Sequence[SubjectFeatures], args: argparse.Namespace) -> None:
    """Judge one variant on held-out persons, fit it on all and write its folder."""
    settings = blend_settings(variant, args)
    judged = judge_unseen(variant, features, settings, progress=True, keep=args.cache)
    _print(variant, judged.scores)
    for name, slices in judged.slices.items():
        _print(variant, {f"{name}, {wearable}": score for wearable, score in slices.items()})
    across = {
        name: judge_across(variant, features, settings, name, keep=args.cache)
        for name in foreign_sets(variant)
    }
    random = judge_random(variant, features, settings, args.seed)
    own = [person for person in features if person.subject.dataset in variant.datasets]
    training = [windows(person, variant, TRAIN_EVERY_S) for person in own]
    model = fit_blend(training, settings).calibrated(judged.temperature, judged.shift)
    folder = args.out / variant.name
    some = np.concatenate([person.features for person in training])[::7]
    difference = export_blend(model, folder / "model.onnx", some)
    write_card(_facts(variant, judged, across, random, settings, difference), folder)
    print(f"wrote {folder}; ONNX against fit: {difference:.1e}")
    if variant.name == VARIANTS[0].name:
        plot_subjects(judged.test, judged.logits, args.figures / "physiology_loso.png")


def train_other(
    variant: Variant, features: Sequence[SubjectFeatures], args: argparse.Namespace
) -> None:
    """Train another architecture in the same folds, print its figures, draw its curves."""
    settings = blend_settings(variant, args)
    own = [person for person in features if person.subject.dataset in variant.datasets]
    table = make_table(own, variant, settings)
    bench = Bench(variant.name, table, own, args.runs, args.seed, args.epochs)
    splits = table.folds(FOLDS, "by subject")
    entry = bench.judge(args.arch, splits)
    print(
        f"{args.arch} as {variant.name}, {len(splits)} folds by subject: n {entry.score.n}, "
        f"accuracy {entry.score.accuracy:.3f}, balanced {entry.score.uar:.3f}, "
        f"ECE {entry.score.ece:.3f}; {entry.note}; "
        f"{entry.parameters} parameters, {entry.seconds:.0f} s"
    )
    if entry.curves:
        panels = {"loss": ["training_loss"], "validation UAR": ["uar"]}
        path = args.runs / f"{args.arch}_{variant.name}.png"
        plot_curves(entry.curves, panels, f"{args.arch}, mean of {len(splits)} folds", path)
        print(path)


def _facts(
    variant: Variant,
    judged: Judged,
    across: Mapping[str, Score],
    random: Mapping[str, Score],
    settings: BlendSettings,
    difference: float,
) -> CardFacts:
    return CardFacts(
        name=variant.name,
        rest=variant.rest,
        licence=variant.licence,
        views=variant.views,
        persons={
            name: sum(key.startswith(f"{name}/") for key in judged.test)
            for name in variant.datasets
        },
        judged=judged,
        across=across,
        random=random,
        difference=difference,
        seed=settings.seed,
    )


def _print(variant: Variant, scores: Mapping[str, Score]) -> None:
    for name, score in scores.items():
        low, high = score.extra["ci95"]["uar"]
        print(
            f"{variant.name} on {name}, persons never seen: n {score.n}, "
            f"accuracy {score.accuracy:.3f}, balanced {score.balanced_accuracy:.3f} "
            f"[{low:.3f}, {high:.3f}], ECE {score.ece:.3f}"
        )
