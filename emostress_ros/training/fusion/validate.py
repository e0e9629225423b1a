"""Fusions judged on people whom they never saw: five folds by person, each network kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import nn

from emostress_ros.affect import EMOTIONS
from emostress_ros.errors import DatasetError
from emostress_ros.fusion.evidence import Layout
from emostress_ros.training.calibrate import fit_temperature, soften, unknown_threshold
from emostress_ros.training.common import load_checkpoint, save_checkpoint
from emostress_ros.training.fusion import attention, directions, fit, nets, pairs, tokens
from emostress_ros.training.fusion.evaluate import (
    FOLDS,
    Answers,
    alone,
    fold_tables,
    judge,
    late_predictor,
    name_of,
    predictor,
)
from emostress_ros.training.fusion.fit import FitOptions
from emostress_ros.training.fusion.nets import NETS
from emostress_ros.training.fusion.pairs import SUBSETS, Pairs
from emostress_ros.training.fusion.tables import Table
from emostress_ros.training.fusion.trials import trial_moments

LATE = "late"
SPEAKING = tuple(subset for subset in SUBSETS if subset != ("physiology",))
"""The subsets in which something speaks of emotion."""
_CODE = (attention, directions, fit, nets, pairs, tokens)  # what a kept network depends on
Say = Callable[[str], object]


@dataclass
class Validation:
    """What was said of people never seen.

    Attributes:
        emotion: answers about emotion, by strategy and condition.
        stress: the same about stress.
        last: strategy to the last fold's network.
        temperature: strategy to what divides its logits of the emotion; see :func:`calibrate`.
    """

    emotion: Answers = field(default_factory=Answers)
    stress: Answers = field(default_factory=Answers)
    last: dict[str, nn.Module] = field(default_factory=dict)
    temperature: dict[str, float] = field(default_factory=dict)


def cross_validate(
    joined: Mapping[str, Table],
    layout: Layout,
    options: FitOptions,
    cache: Path,
    strategies: Sequence[str] = (LATE, *NETS),
    draws: int = 1,
    say: Say = lambda text: None,
    pool: str = "fusion_late",
) -> Validation:
    """Return what strategies say of people whom they never saw.

    Args:
        joined: the four modalities' tables of everybody.
        layout: of the inputs.
        options: of the trainings; ``seed`` also deals the people into the folds.
        cache: keeps the folds' networks.
        strategies: ``late`` and those of ``NETS``.
        draws: pairings of each voice clip.
        say: is told of every network.
        pool: name or folder of the model that ``late`` is.
    """
    found = Validation()
    for fold in range(FOLDS):
        train, test = fold_tables(joined, fold, options.seed)
        held = Pairs(test, layout)
        rng = np.random.default_rng((options.seed, fold))
        felt, tense = trial_moments(test, rng, draws)
        for answers, moments, truth in (
            (found.emotion, felt, felt.emotion), (found.stress, tense, tense.stressed),
        ):  # fmt: skip
            answers.truth.append(truth)
            answers.person.append(moments.person)
        both = (felt, found.emotion), (tense, found.stress)
        alone(held, *both)
        for name in strategies:
            if name == LATE:
                judge(name, late_predictor(pool), held, *both)
                continue
            own = replace(options, seed=options.seed + fold)
            found.last[name] = kept_fit(name, Pairs(train, layout), own, cache)
            judge(name, predictor(found.last[name]), held, *both)
            say(f"fold {fold + 1} of {FOLDS}: {name}")
    for name in found.last:
        calibrate(found, name)
    return found


def calibrate(found: Validation, strategy: str) -> None:
    """Divide a strategy's logits of the emotion by a temperature, in place.

    The answers of a fold are divided by what fits those of the other folds, about people whom
    their networks never saw, so that nobody is judged by a temperature that was fitted on them.
    What ships is divided by what fits all folds.  Every subset of the senses that speaks of
    emotion counts alike, as in :func:`threshold`: with everything there alone it would be fitted
    on 1,200 answers of which 7 % are wrong.

    Args:
        found: answers as the networks give them; afterwards as they are calibrated.
        strategy: whose.
    """
    answers = found.emotion

    def fitted(folds: Sequence[int]) -> float:
        truth = np.concatenate([answers.truth[k] for k in folds])
        said = [answers.said[strategy, name_of(subset)] for subset in SPEAKING]
        rows = np.concatenate([rows[k] for rows in said for k in folds])
        return fit_temperature(np.tile(truth, len(said)), rows)

    every = range(len(answers.truth))
    found.temperature[strategy] = fitted(every)
    others = [fitted([k for k in every if k != fold]) for fold in every]
    for (name, _), folds in answers.said.items():
        if name == strategy:
            folds[:] = [soften(rows, others[k]) for k, rows in enumerate(folds)]


def kept_fit(strategy: str, learned: Pairs, options: FitOptions, cache: Path) -> nn.Module:
    """Return the network of a training; train and keep it where it was not yet.

    Args:
        strategy: of ``NETS``.
        learned: of the people to learn from.
        options: of the training.
        cache: folder; a network is found by its recipe, its people, their encoders and this code.
    """
    file = cache / "nets" / f"{strategy}-{_key(strategy, learned, options)}.pt"
    net = NETS[strategy](learned.layout)
    try:
        net.load_state_dict(load_checkpoint(file)["net"])
    except DatasetError:
        net = fit.fit(strategy, learned, options)
        save_checkpoint(file, {"net": net.state_dict()})
    return net.eval()


def _key(strategy: str, learned: Pairs, options: FitOptions) -> str:
    digest = hashlib.sha256(repr((strategy, asdict(options))).encode())
    for table in learned.tables:
        digest.update(f"{table.model} {table.kinds}".encode())
        digest.update(table.person.astype(str).tobytes())
        digest.update(np.ascontiguousarray(table.vectors[0, ::7]).tobytes())
    for module in _CODE:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:16]


def threshold(found: Validation, strategy: str) -> float:
    """Return the confidence under which the emotion is *unknown*, by the rule of all cards.

    Any subset of the senses may be there, so the answers of all of them count alike.
    """
    truth = np.concatenate(found.emotion.truth)
    rows = [found.emotion.of(strategy, name_of(subset)) for subset in SPEAKING]
    said = np.concatenate(rows)
    right = said.argmax(axis=1) == np.tile(truth, len(rows))
    return unknown_threshold(said.max(axis=1), right, len(EMOTIONS))
