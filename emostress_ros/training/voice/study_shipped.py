"""The shipped voice network in the study: as it is trained for shipping, and its head alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emostress_ros.training.common import progress_bar
from emostress_ros.training.datasets.splits import Split
from emostress_ros.training.study import Entry, StudyOptions, mean_curves
from emostress_ros.training.voice.course import Course, Task, entry, judge_folds
from emostress_ros.training.voice.fit import FitOptions, Lessons, fit, predict
from emostress_ros.training.voice.nets import FROZEN, SHIPPED
from emostress_ros.training.voice.runs import (
    FOLD_RUNS,
    RANDOM_RUNS,
    TESS_RUNS,
    Run,
    corpus_of,
    held_run,
    load_corpus,
)
from emostress_ros.training.weights import parameter_count

_BOTH = (
    "learns from RAVDESS and every fourth clip of TESS together, as for shipping (TESS weighs a "
    "fifth)"
)
_ALONE = "encoder frozen at its start weights; the head learns from all clips of this set alone"


def shipped_judge(task: Task, name: str, options: StudyOptions) -> Callable[[str], Entry]:
    """Return what trains the shipped network under a kind of split."""
    return lambda kind: (_whole if name == SHIPPED else _frozen)(task, kind, options)


def _whole(task: Task, kind: str, options: StudyOptions) -> Entry:
    """The runs behind the card, and random ones trained in the same way."""
    corpus = load_corpus(options.data, options.work, options.seed, progress=options.progress)
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


def _frozen(task: Task, kind: str, options: StudyOptions) -> Entry:
    """The head learns from all clips of this set alone, the encoder not at all."""
    parts = {task.data.name: task.clips}
    corpus = corpus_of(parts, options.work, options.seed, progress=options.progress)
    fitting = FitOptions(tuning_epochs=0, seed=options.seed)

    def learn(split: Split, course: Course) -> None:
        lessons = Lessons(corpus.speech, corpus.start, corpus.labels, np.ones(len(corpus.clips)),
                          split.train)  # fmt: skip
        for epoch, (loss, net) in enumerate(fit(corpus.net, lessons, fitting)):
            rows = predict(net, lessons, split.test, tuned=False)
            course.judge(epoch, loss, np.asarray(task.data.fold(rows), dtype=np.float32))

    return judge_folds(task, FROZEN, kind, learn, epochs=fitting.head_epochs,
                       size=parameter_count(corpus.net.head), progress=options.progress,
                       note=_ALONE)  # fmt: skip
