"""How every strategy does on people never seen: 15 subsets, noise in place of a sense, stress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from emostress_ros.affect import EMOTIONS, MODALITIES, AlignedSet, Embedding
from emostress_ros.fusion.pipeline import CardReliability
from emostress_ros.fusion.strategies import load_fusion
from emostress_ros.fusion.verdict import Situation
from emostress_ros.training.fusion.nets import DeployedFusion
from emostress_ros.training.fusion.pairs import SUBSETS, Moments, Pairs
from emostress_ros.training.fusion.tables import REPLACED, Table

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
FOLDS = 5
ALONE = "encoder alone"
EVERYTHING = SUBSETS[-1]
Predict = Callable[[Pairs, Moments, npt.NDArray[np.bool_]], tuple[FloatArray, FloatArray]]
"""Pairs, moments and (4,) what is there to (P, 7) probabilities and (P,) stress; NaN: unknown."""


@dataclass
class Answers:
    """What was said of all moments of all folds.

    Attributes:
        truth: (P,) labels.
        person: (P,) pseudo-persons.
        said: (strategy, condition) to (P, K) probabilities.
    """

    truth: list[IntArray] = field(default_factory=list)
    person: list[npt.NDArray[np.str_]] = field(default_factory=list)
    said: dict[tuple[str, str], list[FloatArray]] = field(default_factory=dict)

    def add(self, strategy: str, condition: str, rows: FloatArray) -> None:
        """Append one fold's answers."""
        self.said.setdefault((strategy, condition), []).append(rows)

    def of(self, strategy: str, condition: str) -> FloatArray:
        """Return the answers of all folds, (P, K)."""
        return np.concatenate(self.said[strategy, condition])


def name_of(subset: Sequence[str]) -> str:
    """Return a subset's name, such as ``face + voice``."""
    return " + ".join(subset)


def fold_tables(
    tables: Mapping[str, Table], fold: int, seed: int = 0
) -> tuple[dict[str, Table], dict[str, Table]]:
    """Return the tables of the people to learn from and of those held out, disjoint.

    RAVDESS's actors lie in the folds of the voice encoders, everybody else is dealt at random.
    """
    train, test = {}, {}
    for name, table in tables.items():
        held = _folds(table, seed) == fold
        train[name] = table.take(np.flatnonzero(~held))
        test[name] = table.take(np.flatnonzero(held))
        both = set(train[name].person.tolist()) & set(test[name].person.tolist())
        if both:
            raise ValueError(f"{name}: on both sides of the split: {sorted(both)[:3]}")
    return train, test


def _folds(table: Table, seed: int) -> IntArray:
    people, owner = np.unique(table.person, return_inverse=True)
    if table.modality == "voice":
        return (np.arange(len(people)) * FOLDS // len(people))[owner]
    return (np.random.default_rng(seed).permutation(len(people)) % FOLDS)[owner]


def predictor(net: nn.Module) -> Predict:
    """Return the answers of a trained network."""
    deployed = DeployedFusion(net).eval()

    def predict(
        pairs: Pairs, moments: Moments, there: npt.NDArray[np.bool_]
    ) -> tuple[FloatArray, FloatArray]:
        inputs = pairs.assemble(moments, there)
        with torch.no_grad():
            said = deployed(*(torch.from_numpy(array) for array in inputs))
        return said[0].numpy(), said[5].numpy()

    return predict


def late_predictor(model: str = "fusion_late") -> Predict:
    """Return the answers of the shipped late fusion, through the code that the graph runs."""
    fusion = load_fusion(model, CardReliability(), min_quality=0.1)

    def predict(
        pairs: Pairs, moments: Moments, there: npt.NDArray[np.bool_]
    ) -> tuple[FloatArray, FloatArray]:
        found = fusion.findings(
            [_situation(pairs, moments, i, there) for i in range(len(moments.emotion))]
        )
        uniform = np.full(len(EMOTIONS), 1.0 / len(EMOTIONS))
        rows = [f.probabilities if len(f.probabilities) else uniform for f in found]
        return np.stack(rows), np.array([f.stress for f in found])

    return predict


def _situation(pairs: Pairs, moments: Moments, i: int, there: npt.NDArray[np.bool_]) -> Situation:
    embeddings = {}
    for m, table in enumerate(pairs.tables):
        if not there[m]:
            continue
        item, kind = int(moments.items[i, m]), int(moments.kinds[i, m])
        rows = table.probabilities[kind, item]
        speaks = bool(np.isfinite(rows).all())
        judged = 0 if moments.forged[i, m] else kind
        embeddings[table.modality] = Embedding(
            0, table.modality, table.model, table.vectors[kind, item][:1],
            float(np.clip(table.quality[judged, item], 0.0, 1.0)),
            labels=EMOTIONS if speaks else (),
            probabilities=rows if speaks else np.empty(0, np.float32),
            stress=float(table.stress[kind, item]),
        )  # fmt: skip
    ages = {MODALITIES[m]: round(1e9 * moments.age_s[i, m]) for m in range(4)}
    return Situation(AlignedSet(0, "", embeddings, ages, MODALITIES), {}, frozenset())


def judge(
    name: str,
    predict: Predict,
    pairs: Pairs,
    emotion: tuple[Moments, Answers],
    stress: tuple[Moments, Answers],
) -> None:
    """Ask one strategy about every subset, and about every modality replaced by noise.

    Conditions are named after the subset, and ``<modality> noise`` where its signal is replaced
    by noise under a quality that the front end judges, ``<modality> forged noise`` where the
    quality is that of the clean signal: noise that nobody noticed.
    """
    for subset in SUBSETS:
        there = np.array([m in subset for m in MODALITIES])
        if subset != ("physiology",):
            emotion[1].add(name, name_of(subset), predict(pairs, emotion[0], there)[0])
        if {"physiology", "text"} & set(subset):
            rows = predict(pairs, stress[0], there)[1]
            stress[1].add(name, name_of(subset), binary(rows))
    whole = np.ones(4, bool)
    for modality in MODALITIES:
        kind = pairs.tables[MODALITIES.index(modality)].kinds.index(REPLACED)
        for forged in (False, True):
            condition = f"{modality} {'forged ' if forged else ''}noise"
            noisy = emotion[0].spoilt(modality, kind, forged=forged)
            emotion[1].add(name, condition, predict(pairs, noisy, whole)[0])
            noisy = stress[0].spoilt(modality, kind, forged=forged)
            stress[1].add(name, condition, binary(predict(pairs, noisy, whole)[1]))


def alone(pairs: Pairs, emotion: tuple[Moments, Answers], stress: tuple[Moments, Answers]) -> None:
    """Keep what each encoder says by itself."""
    for m, table in enumerate(pairs.tables):
        rows = table.probabilities[0, emotion[0].items[:, m]]
        if np.isfinite(rows).all():
            emotion[1].add(ALONE, table.modality, rows)
        felt = table.stress[0, stress[0].items[:, m]]
        if np.isfinite(felt).all():
            stress[1].add(ALONE, table.modality, binary(felt))


def binary(stress: FloatArray) -> FloatArray:
    """Return (P, 2) probabilities of calm and stressed; undecided where stress is not known."""
    known = np.where(np.isfinite(stress), stress, 0.5)
    return np.stack([1.0 - known, known], axis=1)
