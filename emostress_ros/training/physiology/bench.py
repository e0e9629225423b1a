"""Judging models of stress on a table: folds, figures with intervals over persons, kept entries."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.metrics import (
    Score,
    auroc,
    bootstrap_interval,
    expected_calibration_error,
    score_predictions,
)
from emostress_ros.training.datasets.splits import Split
from emostress_ros.training.physiology.architectures import ARCHITECTURES, Architecture, Task
from emostress_ros.training.physiology.boost import Blend
from emostress_ros.training.physiology.data import SubjectFeatures
from emostress_ros.training.physiology.fit import Array, sigmoid
from emostress_ros.training.physiology.raw import Floats
from emostress_ros.training.physiology.table import Table, raw_frames
from emostress_ros.training.study import Entry, mean_curves

LABELS = ("calm", "stressed")
_REPETITIONS = 400


def score_stress(stress: npt.NDArray[np.integer], logit: Array, persons: Sequence[str]) -> Score:
    """Figures of calibrated logits, with AUROC, and intervals over persons of it and of the ECE.

    Args:
        stress: shape (n,), 0 or 1.
        logit: shape (n,).
        persons: n names.
    """
    truth = np.asarray(stress, np.int64)
    probability = sigmoid(logit)
    rows = np.c_[1.0 - probability, probability]
    score = score_predictions(LABELS, truth, rows, persons)
    intervals = {
        "auroc": bootstrap_interval(
            lambda i: auroc(truth[i], probability[i]), persons, repetitions=_REPETITIONS
        ),
        "ece": bootstrap_interval(
            lambda i: expected_calibration_error(truth[i], rows[i]), persons,
            repetitions=_REPETITIONS,
        ),
    }  # fmt: skip
    return score.with_extra(
        auroc=auroc(truth, probability), ci95={**score.extra["ci95"], **intervals}
    )


@dataclass
class Bench:
    """A table on which every architecture is judged.

    Attributes:
        name: of the data, as the study shows it.
        table: all windows.
        people: of the table, for the raw windows.
        work: folder for what is kept between runs.
        seed: of everything.
        epochs: of a network.
    """

    name: str
    table: Table
    people: Sequence[SubjectFeatures]
    work: Path
    seed: int
    epochs: int
    _frames: Floats | None = field(default=None, repr=False)
    _fitted: dict[tuple[str, bytes], tuple[Blend, float]] = field(default_factory=dict, repr=False)

    def judge(self, name: str, splits: Sequence[Split]) -> Entry:
        """Train a model on every split in turn and judge all answers together."""
        architecture = ARCHITECTURES[name]
        started = time.perf_counter()
        logits, rows, curves, parameters, saved = [], [], [], 0, 0.0
        for number, split in enumerate(splits):
            folder = self._folder(name, split, number)
            task = self._task(architecture, split, folder)
            fitted = architecture.fit(task)
            saved += sum(task.saved)
            logits.append(fitted.logit(split.test))
            rows.append(split.test)
            parameters = fitted.parameters
            curves += [fitted.curves] if fitted.curves else []
            shutil.rmtree(folder, ignore_errors=True)
        seconds = time.perf_counter() - started + saved
        index = np.concatenate(rows)
        score = score_stress(
            self.table.stress[index], np.concatenate(logits), [self.table.persons[i] for i in index]
        )
        return Entry(
            name, splits[0].name, splits[0].person_disjoint, score, parameters, seconds,
            mean_curves(curves), note(score), self.name,
        )  # fmt: skip

    def _task(self, architecture: Architecture, split: Split, folder: Path) -> Task:
        if architecture.raw and self._frames is None:
            self._frames = raw_frames(self.table, self.people, self.work / "raw")
        frames = self._frames if architecture.raw else None
        return Task(self.table, split, self.seed, frames, folder, self.epochs, self._fitted)

    def _folder(self, name: str, split: Split, number: int) -> Path:
        """Where a network keeps its checkpoint, so that a study that was stopped goes on."""
        facts = f"{self.name} {split.name} {number} {self.seed} {self.epochs} {split.test.tolist()}"
        return self.work / "nets" / f"{name}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"


def note(score: Score) -> str:
    """AUROC and the interval of the ECE, in words."""
    low, high = score.extra["ci95"]["auroc"]
    least, most = score.extra["ci95"]["ece"]
    return (
        f"AUROC {100 * score.extra['auroc']:.1f} [{100 * low:.1f}, {100 * high:.1f}]; "
        f"ECE within [{100 * least:.1f}, {100 * most:.1f}]"
    )
