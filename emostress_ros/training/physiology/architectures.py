"""The models of stress by name: over features of a window, or over its raw samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.modalities.physiology.features import FEATURES
from emostress_ros.training.datasets.splits import Split
from emostress_ros.training.physiology.boost import (
    LINE,
    PARTS,
    PERCEPTRONS,
    TREES,
    Blend,
    fit_blend,
)
from emostress_ros.training.physiology.fit import Array, fit_temperature
from emostress_ros.training.physiology.raw import Floats
from emostress_ros.training.physiology.table import Table, inner_split

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """What is to be learned.

    Attributes:
        table: all windows.
        split: which of them may be learned from.
        seed: of everything random.
        frames: shape (N, frames, 42), raw windows of the table's rows; None: features alone.
        folder: for checkpoint and log of a network.
        epochs: of a network, at most.
        fitted: parts of blends that were fitted before, to share with other tasks.
        saved: seconds that fits took which were shared.
    """

    table: Table
    split: Split
    seed: int = 0
    frames: Floats | None = None
    folder: Path | None = None
    epochs: int = 12
    fitted: dict[tuple[str, bytes], tuple[Blend, float]] = field(default_factory=dict)
    saved: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Fitted:
    """A model that has learned.

    Attributes:
        logit: calibrated logits of rows of the table.
        parameters: how many numbers it learned.
        curves: columns by epoch; empty where there are no epochs.
    """

    logit: Callable[[Rows], Array]
    parameters: int
    curves: Mapping[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Architecture:
    """One entry of the registry.

    Attributes:
        name: of the entry.
        about: what it is, one line.
        raw: whether it reads raw windows rather than features.
        fit: learns a task.
    """

    name: str
    about: str
    raw: bool
    fit: Callable[[Task], Fitted]


def _features(*parts: str) -> Callable[[Task], Fitted]:
    """Fit some parts of the blend, calibrated on people held out of the training."""

    def fit(task: Task) -> Fitted:
        table = task.table
        inner = inner_split(table, task.split, task.seed)
        first = _blend(task, inner.train, parts)
        temperature, shift = _calibration(
            table, inner.test, first.logit(table.features[inner.test])
        )
        model = _blend(task, task.split.train, parts).calibrated(temperature, shift)
        return Fitted(lambda rows: model.logit(table.features[rows]), parameters_of(model))

    return fit


_CHANNELS = {feature.name: feature.channel for feature in FEATURES}
_LEVELS = ("eda_tonic", "hr_mean")


def _shared(view: str, name: str) -> bool:
    """Whether two laboratories are likely to share a feature.

    That is heart and skin conductance, as ranks in the person's past and changes against the last
    minutes: no levels, no motion (people stand in one stress test and sit in the other), no
    temperature (of the room), no shape of the pulse (of the strap).
    """
    return view in ("rank", "change") and _CHANNELS[name] in ("heart", "eda")


def _level(view: str, name: str) -> bool:
    """Whether a feature tells how far up skin conductance or heart rate are in the person's past.

    The two rise with any arousal of the sympathetic nerves, whatever brings it; how they vary
    within a minute depends on the task.
    """
    return view in ("rank", "change") and name in _LEVELS


def _line_over(kept: Callable[[str, str], bool]) -> Callable[[Task], Fitted]:
    """Fit a line over some columns alone, calibrated likewise."""

    def fit(task: Task) -> Fitted:
        views = task.table.variant.views
        columns = [kept(view, name) for view, names in views.items() for name in names]
        table = replace(task.table, features=np.where(columns, task.table.features, np.nan))
        return _features(LINE)(replace(task, table=table, fitted={}))

    return fit


def _blend(task: Task, rows: Rows, parts: tuple[str, ...]) -> Blend:
    """The parts of a blend that learned from these rows; each is fitted once a task's `fitted`."""
    fitted: dict[str, Blend] = {}
    for part in parts:
        key = (part, rows.tobytes())
        if key in task.fitted:
            task.saved.append(task.fitted[key][1])
        else:
            settings = replace(task.table.settings, seed=task.seed, parts=(part,))
            started = time.perf_counter()
            made = fit_blend(task.table.people(rows), settings)
            task.fitted[key] = made, time.perf_counter() - started
        fitted[part] = task.fitted[key][0]
    return Blend(
        next(iter(fitted.values())).logistic,  # the scaling is the same in all
        fitted[TREES].boosters if TREES in fitted else (),
        fitted[PERCEPTRONS].perceptrons if PERCEPTRONS in fitted else (),
        line=LINE in fitted,
    )


def _net(name: str) -> Callable[[Task], Fitted]:
    """Fit a network; the people who decide when it stops calibrate it, too."""

    def fit(task: Task) -> Fitted:
        from emostress_ros.training.physiology.net_fit import NetOptions, RawWindows, fit_net

        assert task.frames is not None and task.folder is not None
        frames, table = task.frames, task.table
        inner = inner_split(table, task.split, task.seed)
        training, validation = (
            RawWindows(frames[rows], table.stress[rows], tuple(table.persons[i] for i in rows))
            for rows in (inner.train, inner.test)
        )
        options = NetOptions(epochs=task.epochs, seed=task.seed)
        net = fit_net(name, training, validation, options, task.folder)
        temperature, shift = _calibration(table, inner.test, net.logit(frames[inner.test]))
        return Fitted(
            lambda rows: net.logit(frames[rows]) / temperature + shift, net.parameters, net.curves
        )

    return fit


def _calibration(table: Table, rows: Rows, logits: Array) -> tuple[float, float]:
    """Temperature and shift; people count alike."""
    people = table.people(rows)
    order = np.concatenate(
        [rows[np.array(table.persons)[rows] == windows.person] for windows in people]
    )
    places = np.searchsorted(rows, order)
    weights = np.concatenate([np.full(len(w.stress), 1.0 / len(w.stress)) for w in people])
    weights *= len(weights) / weights.sum()
    return fit_temperature(logits[places], table.stress[order], weights)


def parameters_of(model: Blend) -> int:
    """Numbers a blend learned: moments, weights, and two for each node of a tree."""
    count = 2 * len(model.logistic.weights)  # the scaling
    count += len(model.logistic.weights) + 1 if model.line else 0
    for booster in model.boosters:
        count += sum(2 * len(tree.nodes) for (tree,) in booster._predictors)
    for perceptron in model.perceptrons:
        count += sum(matrix.size + bias.size for matrix, bias in perceptron.layers)
    return count


ARCHITECTURES: Mapping[str, Architecture] = {
    item.name: item
    for item in (
        Architecture(
            "logistic", "ridge logistic regression over the features", False,
            _features(LINE),
        ),
        Architecture(
            "invariant",
            "the same over heart and skin conductance against the person's past alone",
            False,
            _line_over(_shared),
        ),
        Architecture(
            "levels",
            "the same over four figures: tonic skin conductance and mean heart rate, each as rank "
            "in the person's past and change against the last minutes",
            False,
            _line_over(_level),
        ),
        Architecture(
            "boosting", "gradient-boosted trees over the features", False,
            _features(TREES),
        ),
        Architecture(
            "perceptron", "three perceptrons of two hidden layers over the features", False,
            _features(PERCEPTRONS),
        ),
        Architecture(
            "blend", "the shipped recipe: the mean of the three before", False, _features(*PARTS)
        ),
        Architecture("lstm", "LSTM over raw windows", True, _net("lstm")),
        Architecture(
            "cnn_lstm", "convolutions a sensor, then an LSTM, over raw windows", True,
            _net("cnn_lstm"),
        ),
    )
}  # fmt: skip
"""Models of stress by name."""
