"""The shipped voice network in the study: as it is trained for shipping, and its head alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from emostress_ros.metrics import uar
from emostress_ros.metrics.figures import confusion_matrix
from emostress_ros.training.common import progress_bar
from emostress_ros.training.datasets import ravdess
from emostress_ros.training.datasets.splits import Split
from emostress_ros.training.study import Entry, StudyOptions, mean_curves
from emostress_ros.training.voice.data import Float32Array
from emostress_ros.training.voice.fit import FitOptions, Lessons, fit, predict
from emostress_ros.training.voice.net import VoiceNet
from emostress_ros.training.voice.nets import FROZEN, SHIPPED
from emostress_ros.training.voice.runs import (
    FOLD_RUNS,
    RANDOM_RUNS,
    TESS_RUNS,
    Corpus,
    Run,
    held_run,
    load_corpus,
)
from emostress_ros.training.weights import parameter_count

if TYPE_CHECKING:
    from emostress_ros.training.voice.study import Task

_BOTH = "learns from RAVDESS and TESS together, as for shipping (TESS weighs a fifth)"
_ALONE = "encoder frozen at its start weights; the head learns from this set alone"


def shipped_judge(task: Task, name: str, options: StudyOptions) -> Callable[[str], Entry]:
    """Return what trains the shipped network under a kind of split."""

    def judge(kind: str) -> Entry:
        corpus = load_corpus(options.data, options.work, options.seed, progress=options.progress)
        return (_whole if name == SHIPPED else _frozen)(task, kind, corpus, options)

    return judge


def _whole(task: Task, kind: str, corpus: Corpus, options: StudyOptions) -> Entry:
    """The runs behind the card, and random ones trained in the same way."""
    from emostress_ros.training.voice.study import entry

    fitting = FitOptions(seed=options.seed)
    splits = task.splits[kind]
    by_person = TESS_RUNS if task.data.name == "tess" else FOLD_RUNS
    names = (RANDOM_RUNS if kind.startswith("random") else by_person)[: len(splits)]
    total = len(names) * (fitting.head_epochs + fitting.tuning_epochs)
    title = f"{task.title} {kind}: {SHIPPED}"
    with progress_bar(total, title, enabled=options.progress) as advance:
        runs = [held_run(corpus, name, fitting, options.work, advance) for name in names]
    offset = 0 if task.data.name == "ravdess" else int(corpus.ravdess.sum())
    judged = []
    for run in runs:
        own = (run.index >= offset) & (run.index < offset + len(task.clips))
        judged.append((run.index[own] - offset, task.data.fold(run.probabilities[own])))
    # A random run judges both sets at once, so its curve is of neither.
    curves = {} if kind.startswith("random") else mean_curves([_curve(run) for run in runs])
    seconds = sum(run.seconds for run in runs)
    return entry(task, SHIPPED, kind, judged, parameter_count(corpus.net), seconds, curves, _BOTH)


def _curve(run: Run) -> dict[str, list[float]]:
    epochs = [float(i) for i in range(1, len(run.curve) + 1)]
    return {"epoch": epochs, "training_loss": run.curve[:, 0].tolist(),
            "uar": run.curve[:, 1].tolist()}  # fmt: skip


def _frozen(task: Task, kind: str, corpus: Corpus, options: StudyOptions) -> Entry:
    from emostress_ros.training.voice.study import entry

    fitting = FitOptions(tuning_epochs=0, seed=options.seed)
    splits = task.splits[kind]
    total = len(splits) * fitting.head_epochs
    began = time.perf_counter()
    title = f"{task.title} {kind}: {FROZEN}"
    with progress_bar(total, title, enabled=options.progress) as advance:
        done = [_head(task, corpus, split, fitting, advance) for split in splits]
    seconds = time.perf_counter() - began
    judged = [(split.test, rows) for split, (rows, _) in zip(splits, done, strict=True)]
    size = parameter_count(corpus.net.head)
    curves = mean_curves([curve for _, curve in done])
    return entry(task, FROZEN, kind, judged, size, seconds, curves, _ALONE)


def _head(
    task: Task,
    corpus: Corpus,
    split: Split,
    fitting: FitOptions,
    advance: Callable[[str], object],
) -> tuple[Float32Array, dict[str, list[float]]]:
    """Train the head on this set's clips under one split."""
    offset = 0 if task.data.name == "ravdess" else int(corpus.ravdess.sum())
    lessons = Lessons(corpus.speech, corpus.start, corpus.labels, np.ones(len(corpus.clips)),
                      split.train + offset)  # fmt: skip
    curve: dict[str, list[float]] = {"epoch": [], "training_loss": [], "uar": []}
    net = VoiceNet(len(ravdess.LABELS))
    net.load_state_dict(corpus.net.state_dict())
    rows = np.empty((0, len(task.data.labels)), dtype=np.float32)
    classes = len(task.data.labels)
    for epoch, (loss, trained) in enumerate(fit(net, lessons, fitting)):
        with torch.no_grad():
            rows = task.data.fold(predict(trained, lessons, split.test + offset, tuned=False))
        found = uar(confusion_matrix(task.labels[split.test], rows.argmax(axis=1), classes))
        for column, value in zip(curve.values(), (epoch + 1.0, loss, found), strict=True):
            column.append(value)
        advance(f"loss {loss:.2f}, UAR {found:.3f}")
    return np.asarray(rows, dtype=np.float32), curve
