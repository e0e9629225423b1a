"""What every training of the voice study shares: clips and their splits, the curve, the folds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emostress_ros.metrics import Score, score_predictions, uar
from emostress_ros.metrics.figures import confusion_matrix
from emostress_ros.training.common import progress_bar
from emostress_ros.training.datasets.speech_clips import SpeechClip
from emostress_ros.training.datasets.speech_sets import SpeechSet
from emostress_ros.training.datasets.splits import Split
from emostress_ros.training.study import Entry, mean_curves
from emostress_ros.training.voice.data import Float32Array
from emostress_ros.training.voice.frames import IntArray


@dataclass(frozen=True)
class Task:
    """A set of clips and how it is divided.

    Attributes:
        data: the set.
        title: as it is written.
        clips: N clips.
        labels: (N,) class of each.
        splits: kind to what is judged in turn.
    """

    data: SpeechSet
    title: str
    clips: Sequence[SpeechClip]
    labels: IntArray
    splits: Mapping[str, Sequence[Split]]

    def score(self, rows: Float32Array, index: IntArray) -> Score:
        """Score (n, K) probabilities of the clips of ``index``."""
        persons = [self.clips[i].person for i in index]
        return score_predictions(self.data.labels, self.labels[index], rows, persons)


class Course:
    """How one training under one split goes.

    Attributes:
        rows: (n, K) newest probabilities of the clips that are judged.
        curve: columns by judged epoch: ``epoch``, ``training_loss``, ``uar``.

    Args:
        task: holds the classes.
        judged: (n,) clips.
        advance: is told of every epoch.
    """

    def __init__(self, task: Task, judged: IntArray, advance: Callable[[str], object]) -> None:
        self._truth, self._advance = task.labels[judged], advance
        self.rows: Float32Array = np.empty((0, len(task.data.labels)), dtype=np.float32)
        self.curve: dict[str, list[float]] = {"epoch": [], "training_loss": [], "uar": []}

    def judge(self, epoch: int, loss: float, rows: Float32Array) -> None:
        """Take the (n, K) probabilities after an epoch, counted from 0."""
        self.rows = np.asarray(rows, dtype=np.float32)
        found = uar(confusion_matrix(self._truth, rows.argmax(axis=1), rows.shape[1]))
        for column, value in zip(self.curve.values(), (epoch + 1.0, loss, found), strict=True):
            column.append(value)
        self._advance(f"loss {loss:.2f}, UAR {found:.3f}")

    def skip(self, loss: float) -> None:
        """Take note of an epoch after which nothing is judged."""
        self._advance(f"loss {loss:.2f}")


def judge_folds(
    task: Task,
    name: str,
    kind: str,
    learn: Callable[[Split, Course], None],
    *,
    epochs: int,
    size: int,
    progress: bool,
    note: str = "",
) -> Entry:
    """Train a model under every split of a kind and return its entry.

    Args:
        task: the clips.
        name: of the model.
        kind: of the splits.
        learn: trains under one split and tells the course of it.
        epochs: of one training; what is fitted at once has one, and no curve.
        size: numbers that the model learns.
        progress: show a bar.
        note: what the reader has to know.
    """
    splits = task.splits[kind]
    title = f"{task.title} {kind}: {name}"
    began = time.perf_counter()
    with progress_bar(len(splits) * epochs, title, enabled=progress) as advance:
        courses = [Course(task, split.test, advance) for split in splits]
        for split, course in zip(splits, courses, strict=True):
            learn(split, course)
    seconds = time.perf_counter() - began
    judged = [(split.test, course.rows) for split, course in zip(splits, courses, strict=True)]
    curves = mean_curves([course.curve for course in courses]) if epochs > 1 else {}
    return entry(task, name, kind, judged, size, seconds, curves, note)


def entry(
    task: Task,
    name: str,
    kind: str,
    judged: Sequence[tuple[IntArray, Float32Array]],
    size: int,
    seconds: float,
    curves: Mapping[str, list[float]],
    note: str = "",
) -> Entry:
    """Return the entry of what was judged fold by fold, as (clips, probabilities)."""
    index = np.concatenate([clips for clips, _ in judged])
    score = task.score(np.concatenate([rows for _, rows in judged]), index)
    apart = not kind.startswith("random")
    if kind == "by speaker":
        parts = [f"{task.clips[clips[0]].person.removeprefix('tess-')} "
                 f"{100 * task.score(rows, clips).uar:.1f}" for clips, rows in judged]  # fmt: skip
        note = "; ".join([f"judged on {' and '.join(parts)}", *([note] if note else [])])
    return Entry(name, kind, apart, score, size, seconds, curves, note, task.title)
