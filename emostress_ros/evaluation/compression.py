"""What a compressed variant of a model costs and what it keeps: size, accuracy, time."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import ModelError
from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.folds import load_held_out
from emostress_ros.inference.session import Session
from emostress_ros.inference.variants import int8_instructions
from emostress_ros.metrics import Score, score_predictions

Feed = dict[str, npt.NDArray[Any]]
REFERENCE = "fp32"
STORED = ("fp32", "fp16", "w8")
"""Variants that compute in float32 whatever the CPU: those that may ship."""
MOST_LOST = 0.005
"""Accuracy that a shipped variant may lose against float32."""
MOST_MOVED = 0.01
"""Difference of a probability from the reference's that a shipped variant may show: else its
calibration, and the threshold of *unknown*, would no longer be those that were measured."""
SCORED = ("accuracy", "uar", "macro_f1", "weighted_f1")
"""Figures of a variant on a set, in the order of the tables."""
WORTH = 1e6
"""Bytes: a model smaller than this gains nothing that anybody would notice."""


@dataclass(frozen=True)
class Measured:
    """One variant of one model.

    Attributes:
        name: of the variant.
        size: of its file, in bytes.
        packed: of its file when compressed by deflate, as in a wheel.
        accuracy: set and split to accuracy; empty where no set was kept from the training.
        uar: likewise the unweighted average recall.
        agreement: share of inputs on which it gives the reference's answer.
        deviation: greatest difference of a probability from the reference.
        fastest_ms: least time of one inference, one thread.
        median_ms: likewise the median.
        problem: why there is no such variant; empty where there is one.
        macro_f1: set and split to macro-F1.
        weighted_f1: likewise the F1 weighted by the classes' sizes.
    """

    name: str
    size: int = 0
    packed: int = 0
    accuracy: Mapping[str, float] = field(default_factory=dict)
    uar: Mapping[str, float] = field(default_factory=dict)
    agreement: float = float("nan")
    deviation: float = float("nan")
    fastest_ms: float = float("nan")
    median_ms: float = float("nan")
    problem: str = ""
    macro_f1: Mapping[str, float] = field(default_factory=dict)
    weighted_f1: Mapping[str, float] = field(default_factory=dict)

    def scored(self, scores: Mapping[str, Score]) -> Measured:
        """Return this with the figures of some scores, each under its set and split."""
        figures = {
            figure: {where: float(getattr(score, figure)) for where, score in scores.items()}
            for figure in SCORED
        }
        return replace(self, **figures)  # type: ignore[arg-type]


class _EnoughError(Exception):
    """As many inputs as were asked for have been recorded."""


def recorded_inputs(model: str, items: int, run: Callable[[], object]) -> list[Feed]:
    """Return what a model is fed while something runs, one item a feed.

    Args:
        model: ``ModelCard.identifier`` of the model.
        items: how many are wanted; what runs is then broken off.
        run: such as a score on the people that the model was trained on.

    Raises:
        ModelError: the model was never fed.
    """
    feeds: list[Feed] = []
    with _spied(model, feeds, items):
        try:
            run()
        except _EnoughError:
            pass
    if not feeds:
        raise ModelError(f"{model} was not run at all: nothing to measure it with")
    return feeds[:items]


@contextmanager
def _spied(model: str, feeds: list[Feed], items: int) -> Iterator[None]:
    original = Session.run

    def run(self: Session, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.name == model:
            count = len(next(iter(inputs.values())))
            feeds.extend({k: v[i : i + 1] for k, v in inputs.items()} for i in range(count))
            if len(feeds) >= items:
                raise _EnoughError
        return original(self, inputs)

    vars_of_class: Any = Session
    vars_of_class.run = run
    try:
        yield
    finally:
        vars_of_class.run = original


def spread(feeds: Sequence[Feed], count: int) -> list[Feed]:
    """Return ``count`` feeds taken evenly from all of them."""
    picked = np.unique(np.linspace(0, len(feeds) - 1, min(count, len(feeds))).astype(int))
    return [feeds[i] for i in picked]


def answers(session: Session, feeds: Sequence[Feed]) -> npt.NDArray[np.float64]:
    """(N, K) probabilities of N feeds; a single probability becomes two columns."""
    rows = []
    for feed in feeds:
        outputs = session.run(feed)
        name = "probabilities" if "probabilities" in outputs else "stress"
        row = np.atleast_1d(outputs[name][0])
        rows.append(np.array([1.0 - row[0], row[0]]) if len(row) == 1 else row)
    return np.asarray(rows, np.float64)


def times_ms(
    sessions: Mapping[str, Session], feeds: Sequence[Feed], rounds: int = 400
) -> dict[str, tuple[float, float]]:
    """Return (least, median) time of one inference of each session, in ms.

    The sessions take turns on the same input, so that what else the machine does hits all alike.
    """
    taken: dict[str, list[float]] = {name: [] for name in sessions}
    for number in range(rounds + 5):
        feed = feeds[number % len(feeds)]
        for name, session in sessions.items():
            start = time.perf_counter()
            session.run(feed)
            if number >= 5:  # the first runs allocate
                taken[name].append(1e3 * (time.perf_counter() - start))
    return {name: (min(values), float(np.median(values))) for name, values in taken.items()}


def judge_folds(
    folds: Sequence[Path], make: Callable[[ModelCard], Mapping[str, ModelCard]]
) -> dict[str, Score]:
    """Score every variant on the people that the folds' networks never learned from.

    Args:
        folds: model folders with :data:`~emostress_ros.inference.folds.HELD_OUT`.
        make: makes the variants of one fold's model.
    """
    rows: dict[str, list[npt.NDArray[np.float64]]] = {}
    truth: list[npt.NDArray[np.int64]] = []
    persons: list[str] = []
    labels: tuple[str, ...] = ()
    for folder in folds:
        held, card = load_held_out(folder), ModelCard.load(folder)
        sessions, _ = load(make(card))
        for name, session in sessions.items():
            rows.setdefault(name, []).append(answers(session, held.feeds))
        truth.append(held.truth)
        persons += held.persons
        labels = card.labels or ("calm", "stressed")
    everyone = np.concatenate(truth)
    return {
        name: score_predictions(labels, everyone, np.concatenate(parts), persons)
        for name, parts in rows.items()
        if len(parts) == len(folds)
    }


def by_set(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """Group folds by the data set that their people's names begin with, as in `wesad/S2`."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        dataset, mark, _ = load_held_out(folder).persons[0].partition("/")
        found.setdefault(dataset if mark else "", []).append(folder)
    return found


def load(cards: Mapping[str, ModelCard]) -> tuple[dict[str, Session], dict[str, str]]:
    """Open every variant with one thread; return the sessions and what is wrong with the others."""
    sessions, problems = {}, {}
    for name, card in cards.items():
        try:
            sessions[name] = Session(card, threads=1)
        except ModelError as error:
            problems[name] = str(error)
    return sessions, problems


def choose(variants: Sequence[Measured], shipped: str = REFERENCE) -> tuple[str, str]:
    """Return which variant ships, and why.

    Of the variants that compute in float32 on every machine, the smallest ships that loses at
    most half a point of accuracy on each set (or, where no set was kept from the training, gives
    the reference's answer on 99.5 %) and moves no probability by more than 0.01. A model under
    1 MB stays as it is.

    Args:
        variants: as measured, the reference among them.
        shipped: the variant that the model's file is now.
    """
    there = {v.name: v for v in variants if not v.problem}
    reference = there[REFERENCE]
    if reference.size < WORTH:
        return shipped, f"{there[shipped].size / 1e6:.2f} MB is small enough as it is"
    fit = [v for v in there.values() if v.name in STORED and _keeps(v, reference)]
    smallest = min(fit, key=lambda v: v.size)
    return smallest.name, (
        f"{smallest.size / 1e6:.2f} MB instead of {reference.size / 1e6:.2f} MB, with float32 "
        f"arithmetic on every machine"
    )


def _keeps(variant: Measured, reference: Measured) -> bool:
    if variant.name == REFERENCE:
        return True
    if variant.deviation > MOST_MOVED:
        return False
    if not reference.accuracy:
        return variant.agreement >= 1.0 - MOST_LOST
    lost = [reference.accuracy[name] - value for name, value in variant.accuracy.items()]
    return max(lost) <= MOST_LOST


def processor() -> str:
    """Return the CPU's name and whether it has instructions for 8-bit products."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return f"{platform.machine()} (instructions unknown)"
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    flags = int8_instructions()
    return f"{names[0] if names else platform.machine()}, " + (
        f"with {', '.join(flags)}" if flags else "without instructions for int8 products"
    )
