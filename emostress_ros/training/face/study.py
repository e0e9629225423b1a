"""`emostress study face`: every architecture on FER2013's own split and on a random one.

FER2013 does not say whose faces it holds, so nothing can be split by person.  What can be kept
apart are pictures: on the official split, exact and near duplicates of PublicTest leave the
training set.  The random split deals all labelled faces out without looking, as much of the
literature does.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from emostress_ros import metrics
from emostress_ros.inference import ModelCard
from emostress_ros.modalities.face import FaceConfig
from emostress_ros.training import common
from emostress_ros.training.calibrate import fit_temperature, soften
from emostress_ros.training.datasets import fer2013
from emostress_ros.training.datasets.fer2013 import FERPLUS_LABELS, LABELS
from emostress_ros.training.face import train as face
from emostress_ros.training.face.data import FaceSet, prepare
from emostress_ros.training.face.evaluate import evaluate, truth_of
from emostress_ros.training.face.fit import predict, trainer_of
from emostress_ros.training.face.lessons import SPLITS, lessons
from emostress_ros.training.study import Entry, Shelf, Study, StudyOptions
from emostress_ros.training.weights import parameter_count

START_VARIABLE = "EMOSTRESS_FACE_START"
"""Environment variable: folder of the start weights of ``mobilenet`` (see ``--pretrained``)."""

PUBLIC, RANDOM = "PublicTest", "random"
SHIPPED = "shipped"
_TEST_PART = 0.1
_ADAM = ("--optimizer", "adamw", "--weight-decay", "0.02")
RECIPES: dict[str, tuple[int, tuple[str, ...]]] = {
    "logistic": (4, ("--lr", "1e-3", *_ADAM)),
    "cnn": (14, ("--lr", "0.1")),
    "resnet_small": (3, ("--lr", "0.1")),
    "mobile": (2, ("--lr", "0.1")),
    "mobilenet": (2, ("--lr", "1e-3", "--body-lr", "0.5", "--mixup", "0.2", *_ADAM)),
}
"""Epochs and options of each architecture: short schedules, which a CPU can afford."""


@dataclass(frozen=True)
class Arena:
    """One split, ready to train and judge on.

    Attributes:
        split: ``PublicTest`` or ``random``.
        train: what is learned from.
        validation: what temperatures are fitted on.
        test: the faces that are judged.
    """

    split: str
    train: FaceSet
    validation: FaceSet
    test: fer2013.Fer2013


def study(options: StudyOptions) -> Study:
    """Train and compare; entry by entry, so that it goes on where it stopped.

    Raises:
        DatasetError: the faces are missing or odd.
    """
    data = fer2013.load(options.data)
    names = options.chosen((*RECIPES, SHIPPED))
    shelf = Shelf("face", options, RECIPES)
    entries = [
        entry
        for split in (PUBLIC, RANDOM)
        for entry in _entries(arena(data, split, options), names, shelf, options)
    ]
    return Study(
        "face", "Face: the expression of a 48×48 grey face", options.command, options.seed,
        "accuracy", tuple(entries), lessons(entries), apart="duplicates apart", splits=SPLITS,
    )  # fmt: skip


def arena(data: fer2013.Fer2013, split: str, options: StudyOptions) -> Arena:
    """Return a split of the set; ``random`` draws a tenth of all labelled faces as the test."""
    rows = data.select(data.usage != "PrivateTest")
    if split == RANDOM:
        rows = rows.select(rows.labels >= 0)
        rank = np.random.default_rng(options.seed).permutation(len(rows))
        usage = np.where(rank < _TEST_PART * len(rows), "PublicTest", "Training")
        rows = replace(rows, usage=usage.astype(np.str_))
    limit = 3000 if options.quick else 0
    train, validation, report = prepare(rows, options.seed, limit, leaky=split == RANDOM)
    if options.progress:
        print(f"{split}: {report}", flush=True)
    return Arena(split, train, validation, rows.select(rows.usage == "PublicTest"))


def _entries(
    held: Arena, names: tuple[str, ...], shelf: Shelf, options: StudyOptions
) -> Iterator[Entry]:
    sets = ("fer2013",) if held.test.votes is None else ("fer2013", "ferplus")
    for name in names:
        if name == SHIPPED and held.split == RANDOM:
            continue  # it was trained on faces that a random split would judge it by
        for dataset in sets:
            yield shelf.entry(
                name, held.split, _maker(name, held, dataset, shelf.folder, options), dataset
            )


def _maker(
    name: str, held: Arena, dataset: str, folder: Path, options: StudyOptions
) -> Callable[[], Entry]:
    if name == SHIPPED:
        return lambda: _judge_shipped(held, dataset)
    return lambda: _train_and_judge(name, held, dataset, folder / f"{name}-{held.split}", options)


def _judge_shipped(held: Arena, dataset: str) -> Entry:
    card = ModelCard.load(FaceConfig().model)
    score = evaluate(dataset, card, held.test).with_extra(persons="not known")
    return Entry(
        SHIPPED, held.split, True, score,
        int(card.raw["training"]["parameters"]), 0.0,
        note=f"{card.identifier}, trained by its card's command", dataset=_title(dataset),
    )  # fmt: skip


def _train_and_judge(
    name: str, held: Arena, dataset: str, work: Path, options: StudyOptions
) -> Entry:
    """Train, or take up the run that the other set of labels has already trained."""
    wanted = _training_options(name, work, options)
    common.seed_everything(options.seed)
    net = trainer_of(wanted, held.train, held.validation).run()
    head = 0 if dataset == "fer2013" else 1
    validation = (held.validation.emotion, held.validation.ferplus)[head]
    known = validation.sum(1) > 0
    temperature = fit_temperature(
        validation[known].argmax(1).numpy(), _softmax(net, held.validation.faces[known], head)
    )
    labels, truth = truth_of(dataset, held.test)
    rows = truth >= 0
    faces = torch.from_numpy(held.test.images[rows][:, None])
    score = metrics.score_predictions(
        labels, truth[rows], soften(_softmax(net, faces, head), temperature),
        persons=np.arange(int(rows.sum())),
    )  # fmt: skip
    log = common.CsvLog(work / "log.csv", resume=True).read()
    curves = {"epoch": log["epoch"], "training_loss": log["training_loss"]}
    curves["accuracy"] = log["accuracy" if head == 0 else "ferplus_accuracy"]
    return Entry(
        name, held.split, held.split == PUBLIC, score.with_extra(persons="not known"),
        parameter_count(net), sum(log["seconds"]), curves,
        _note(wanted), _title(dataset),
    )  # fmt: skip


def _softmax(net: torch.nn.Module, faces: torch.Tensor, head: int) -> np.ndarray:
    return np.asarray(predict(net, faces)[head].double().softmax(1).numpy())


def _training_options(name: str, work: Path, options: StudyOptions) -> argparse.Namespace:
    epochs, words = RECIPES[name]
    start = os.environ.get(START_VARIABLE)
    more = ["--pretrained", start] if name == "mobilenet" and start else []
    return face.parser().parse_args(
        ["--data", str(options.data), "--arch", name, "--work", str(work), "--resume", "--quiet",
         "--epochs", str(1 if options.quick else epochs), "--seed", str(options.seed),
         "--ema", "0.998", "--batch", "64", *words, *more]
    )  # fmt: skip


def _note(options: argparse.Namespace) -> str:
    start = ", from face recognition" if options.pretrained else ""
    return f"{options.epochs} epochs{start}"


def _title(dataset: str) -> str:
    size = len(LABELS) if dataset == "fer2013" else len(FERPLUS_LABELS)
    name = "FER2013" if dataset == "fer2013" else "FER+ (majority)"
    return f"{name}, {size} classes"
