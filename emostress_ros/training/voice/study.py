"""``emostress study voice``: every voice network on RAVDESS and TESS, under both splits.

All of RAVDESS and TESS is judged, each clip once in every split; of TESS every fourth clip by the
shipped network, for that is what it learns from.  People kept apart means five folds by actor for
RAVDESS, and one speaker of TESS judged by what learned from the other.  Rates and widths of the
networks were tried on a fifth of the training part of the first random fold of RAVDESS; clips that
other folds judge took part in that choice.  Lengths are such that the curve is level before the
end under both splits, and the last epoch is judged; ``cnn2d`` and ``cnn_bilstm_attention`` may gain
from more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from emostress_ros.training.datasets import ravdess
from emostress_ros.training.datasets.speech_sets import SETS
from emostress_ros.training.datasets.splits import Split, person_folds, random_folds
from emostress_ros.training.study import Entry, Shelf, Study, StudyOptions
from emostress_ros.training.voice.course import Course, Task, judge_folds
from emostress_ros.training.voice.frames import frame_bank
from emostress_ros.training.voice.lessons import lessons_of
from emostress_ros.training.voice.nets import (
    ARCHITECTURES,
    FROZEN,
    SHIPPED,
    architecture,
)
from emostress_ros.training.voice.nets_fit import NetOptions, fit_net, predict_net
from emostress_ros.training.voice.runs import TESS_STRIDE
from emostress_ros.training.voice.study_shipped import shipped_judge
from emostress_ros.training.weights import parameter_count

MODELS = (*ARCHITECTURES, FROZEN, SHIPPED)
FOLDS = 5
_JUDGED = 20  # points of a curve, about
_TITLE = "Voice: networks on RAVDESS and TESS, people kept apart and at random"


@dataclass(frozen=True)
class Plan:
    """How large a study is.

    Attributes:
        strides: of each set every so manieth clip.
        changed: augmented variants of a clip.
        apart: folds by actor that are judged, of five.
        random: random fifths that are judged, of five.
        shares: of each set part of the networks' epochs; TESS has more clips and is learned sooner.
    """

    strides: Mapping[str, int]
    changed: int
    apart: int
    random: int
    shares: Mapping[str, float]


FULL = Plan({"ravdess": 1, "tess": 1}, 4, FOLDS, FOLDS, {"ravdess": 1.0, "tess": 0.15})
STARTED = replace(FULL, strides={"ravdess": 1, "tess": TESS_STRIDE})
"""That of the shipped network, which learns from every fourth clip of TESS."""
QUICK = Plan({"ravdess": 2, "tess": 16}, 1, 2, 1, {"ravdess": 0.2, "tess": 0.2})


def study(options: StudyOptions) -> Study:
    """Train and judge what was asked for.

    Raises:
        DatasetError: a set is missing or odd.
        ParameterError: an unknown model.
        ModelNotFoundError: the package with the start weights of the shipped network is missing.
    """
    torch.set_num_threads(1)
    names = options.chosen(tuple(ARCHITECTURES) if options.quick else MODELS)
    plan = QUICK if options.quick else FULL
    entries = []
    for dataset in plan.strides:
        for name in names:
            own = STARTED if name == SHIPPED else plan
            entries += _entries(task_of(dataset, options, own), name, options, own)
    return Study("voice", _TITLE, options.command, options.seed, "uar", tuple(entries),
                 lessons_of(entries, quick=options.quick))  # fmt: skip


def task_of(name: str, options: StudyOptions, plan: Plan) -> Task:
    """Return the clips of a set and both ways of dividing them."""
    chosen = SETS[name]
    clips = chosen.load(options.data / name, None)[:: plan.strides[name]]
    labels = np.array([chosen.labels.index(clip.label) for clip in clips], dtype=np.int64)
    persons = [clip.person for clip in clips]
    people = len(set(persons))
    folds = min(FOLDS, people)
    kind = f"by actor ({min(plan.apart, folds)} of {folds} folds)" if people > 2 else "by speaker"
    apart = person_folds(persons, folds, kind)[: plan.apart]
    # In the order of RAVDESS's labels, so that the shipped network is judged on the same clips.
    common = [ravdess.LABELS.index(chosen.ravdess_of[clip.label]) for clip in clips]
    random = random_folds(persons, common, FOLDS, seed=0)[: plan.random]
    title = {"ravdess": "RAVDESS", "tess": "TESS"}[name]
    return Task(chosen, title, clips, labels,
                {kind: apart, f"random ({plan.random} of {FOLDS} folds)": random})  # fmt: skip


def _entries(task: Task, name: str, options: StudyOptions, plan: Plan) -> list[Entry]:
    recipe: object = plan
    if name in ARCHITECTURES:
        judge = _net_judge(task, name, options, plan)
        chosen = architecture(name)
        recipe = (plan, NetOptions(), chosen.epochs, chosen.rate, chosen.mixup)
    else:
        judge = shipped_judge(task, name, options)
    shelf = Shelf("voice", options, recipe)
    return [
        shelf.entry(name, kind, lambda k=kind: judge(k), task.title)  # type: ignore[misc]
        for kind in task.splits
    ]


def _net_judge(task: Task, name: str, options: StudyOptions, plan: Plan) -> Callable[[str], Entry]:
    """Return what trains a network over frames under a kind of split."""
    chosen = architecture(name)

    def judge(kind: str) -> Entry:
        mixed = not task.splits[kind][0].person_disjoint
        fitting = NetOptions(share=plan.shares[task.data.name], mixed=mixed, seed=options.seed)
        bank = frame_bank(task.clips, task.labels, options.work, changed=plan.changed,
                          seed=options.seed, progress=options.progress)  # fmt: skip
        total, classes = fitting.epochs(chosen), len(task.data.labels)

        def learn(split: Split, course: Course) -> None:
            for epoch, (loss, net) in enumerate(
                fit_net(chosen, bank, split.train, classes, fitting)
            ):
                if (total - 1 - epoch) % max(1, total // _JUDGED):
                    course.skip(loss)
                else:
                    course.judge(epoch, loss, predict_net(net, bank, split.test))

        size = parameter_count(chosen.build(classes))
        return judge_folds(task, name, kind, learn, epochs=total, size=size,
                           progress=options.progress)  # fmt: skip

    return judge
