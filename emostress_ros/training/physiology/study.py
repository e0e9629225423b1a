"""`emostress study physiology`: every model of stress under both splits, and across data sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from emostress_ros.modalities.physiology import PhysiologyConfig
from emostress_ros.training.datasets import stress_predict, wesad
from emostress_ros.training.datasets.splits import Split, random_split
from emostress_ros.training.physiology.architectures import ARCHITECTURES
from emostress_ros.training.physiology.bench import Bench, note, score_stress
from emostress_ros.training.physiology.data import SubjectFeatures, all_features
from emostress_ros.training.physiology.judge import judge_unseen
from emostress_ros.training.physiology.lessons import lessons
from emostress_ros.training.physiology.table import make_table
from emostress_ros.training.physiology.variants import (
    BOTH,
    RECIPE,
    VARIANTS,
    Variant,
    blend_settings,
)
from emostress_ros.training.study import Entry, Shelf, Study, StudyOptions
from emostress_ros.training.study_pages import SPLITS

TITLES = {"wesad": "WESAD", "stress_predict": "Stress-Predict"}
KNOWN, NOTHING = "read against 120 s of rest", "nothing known of the person"
_FOLDS = {"wesad": 11, "stress_predict": 5}
_EPOCHS = 5
_NETWORKS = (
    f"Networks are trained for {_EPOCHS} epochs at most; the UAR of their curves is that of the "
    "people (of a random split: the windows) who decide when they stop, none of whom is judged."
)


@dataclass(frozen=True)
class Part:
    """One comparison of the study.

    Attributes:
        name: data set and what is known of the person.
        datasets: learned from and judged.
        rest: whether each person's first 120 s of rest are known.
    """

    name: str
    datasets: tuple[str, ...]
    rest: bool


PARTS = (
    Part(f"WESAD, {KNOWN}", ("wesad",), True),
    Part(f"WESAD, {NOTHING}", ("wesad",), False),
    Part(f"Stress-Predict, {KNOWN}", ("stress_predict",), True),
    Part(f"Stress-Predict, {NOTHING}", ("stress_predict",), False),
    Part(f"the other data set, {KNOWN}", BOTH, True),
)
_SHIPPED = ("physiology_wrist_rest", "physiology_wrist")


def study(options: StudyOptions) -> Study:
    """Train and compare; entry by entry, so that it goes on where it stopped.

    Raises:
        DatasetError: a recording is missing or odd.
    """
    names = options.chosen(tuple(ARCHITECTURES))
    parts = PARTS[:1] if options.quick else PARTS
    subjects = wesad.subjects(options.data)
    subjects += [] if options.quick else stress_predict.subjects(options.data)
    features = all_features(subjects, PhysiologyConfig(), options.work / "physiology", 2)
    shelf = Shelf("physiology", options, RECIPE)
    entries = [
        entry
        for part in parts
        for entry in _entries(part, names, _bench(part, features, options), shelf, options)
    ]
    if "blend" in names and not options.quick:
        entries += _shipped(features, shelf, options)
    return Study(
        "physiology",
        "Physiology: stressed or not, from windows of 60 s of a wrist-worn wearable",
        options.command,
        options.seed,
        "uar",
        tuple(entries),
        lessons(entries),
        splits=f"{SPLITS} {_NETWORKS}",
    )


def _shipped(
    features: Sequence[SubjectFeatures], shelf: Shelf, options: StudyOptions
) -> Iterator[Entry]:
    """The recipe as it is shipped: one model for both sets, judged on each; see the cards."""
    split = "11 folds by subject, learned from both sets"
    for variant in VARIANTS:
        if variant.name not in _SHIPPED:
            continue
        for name in variant.datasets:
            known = KNOWN if variant.rest else NOTHING
            yield shelf.entry(
                "blend", split,
                partial(_both, variant, name, f"{TITLES[name]}, {known}", split, features, options),
                f"{TITLES[name]}, {known}",
            )  # fmt: skip


def _both(
    variant: Variant,
    name: str,
    dataset: str,
    split: str,
    features: Sequence[SubjectFeatures],
    options: StudyOptions,
) -> Entry:
    settings = blend_settings(variant, RECIPE)
    keep = options.work / "physiology"
    judged = judge_unseen(variant, features, settings, progress=options.progress, keep=keep)
    people = [person for person in judged.logits if person.startswith(f"{name}/")]
    score = score_stress(
        np.concatenate([judged.test[person].stress for person in people]),
        np.concatenate([judged.logits[person] for person in people]),
        [person for person in people for _ in judged.test[person].stress],
    )
    # Moments and line; perceptrons; two numbers for each of a tree's 15 nodes.
    first, second = settings.perceptrons.hidden
    inputs, count = len(settings.groups), settings.perceptrons.count
    parameters = 3 * inputs + 1 + count * ((inputs + 1) * first + (first + 1) * second + second + 1)
    parameters += 2 * 15 * settings.rounds
    words = (
        f"{note(score)}; shipped as `{variant.name}`; trained once for both sets, time not taken"
    )
    return Entry("blend", split, True, score, parameters, 0.0, {}, words, dataset)


def _bench(part: Part, features: Sequence[SubjectFeatures], options: StudyOptions) -> Bench:
    variant = Variant("study", part.rest, part.datasets, "")
    people = [person for person in features if person.subject.dataset in part.datasets]
    table = make_table(people, variant, blend_settings(variant, RECIPE))
    work = options.work / "physiology"
    return Bench(part.name, table, people, work, options.seed, 3 if options.quick else _EPOCHS)


def _entries(
    part: Part, names: Sequence[str], bench: Bench, shelf: Shelf, options: StudyOptions
) -> Iterator[Entry]:
    for splits in _splits(part, bench, options):
        for name in names:
            if options.progress:
                print(f"{part.name}, {splits[0].name}: {name}", flush=True)
            yield shelf.entry(
                name, splits[0].name,
                lambda name=name, splits=splits: bench.judge(name, splits),  # type: ignore[misc]
                part.name,
            )  # fmt: skip


def _splits(part: Part, bench: Bench, options: StudyOptions) -> Iterator[list[Split]]:
    table = bench.table
    if len(part.datasets) > 1:
        for source in part.datasets:
            (target,) = (name for name in part.datasets if name != source)
            held = [p for p in dict.fromkeys(table.persons) if p.startswith(f"{target}/")]
            yield [table.by_person(held, f"{TITLES[source]} to {TITLES[target]}")]
        return
    folds = 4 if options.quick else _FOLDS[part.datasets[0]]
    people = len(set(table.persons))
    how = "leave one subject out" if folds == people else f"by subject ({folds} folds)"
    yield table.folds(folds, how)
    # The literature deals overlapping windows of one recording to both sides.
    yield [random_split(table.persons, table.stress, seed=options.seed)]
