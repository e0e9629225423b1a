"""Label-paired people: samples of different persons that share a label stand for one moment.

No set at hand has all four modalities of one person.  A moment of *emotion* has a face, a voice
and a comment with the same label, and a body in any state; a moment of *stress* has a body and a
post that are both stressed or both calm, and a face and a voice of any label.  What the pairing
cannot show is how far the modalities of one real person agree: errors of different people are
independent of each other, so that every figure from here is an upper bound.

Evidence that is old may belong to an earlier state.  How fast an emotion passes is measured on
MELD's dialogues: the chance that a speaker's next utterance bears the same label falls from 0.57 at
once to chance (0.29) with a time constant of about 7 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS, MODALITIES
from emostress_ros.fusion.evidence import (
    HAS_EMBEDDING,
    IDENTITY,
    FloatArray,
    Known,
    Layout,
    ModalityTerms,
    rows,
)
from emostress_ros.training.fusion.tables import Table

EMOTION_DWELL_S = 7.0
"""Time constant with which an emotion passes (MELD train, 6,952 pairs of one speaker's turns)."""
STRESS_DWELL_S = 300.0
"""The same of stress: the conditions of WESAD last minutes."""
TERMS: Mapping[str, ModalityTerms] = {
    "face": ModalityTerms(1.0, 1.0),
    "voice": ModalityTerms(6.0, 4.0),
    "physiology": ModalityTerms(20.0, 30.0),
    "text": ModalityTerms(12.0, 8.0),
}
DEFAULT_TERMS = ModalityTerms(2.0, 2.0)
SUBSETS: tuple[tuple[str, ...], ...] = tuple(
    subset for size in range(1, 5) for subset in combinations(MODALITIES, size)
)
"""All 15 subsets of the modalities."""
NEUTRAL_SHARE = 0.25
"""Share of neutral moments; the six others share the rest."""

STRESS_SHARE = 0.4
"""Share of stressed moments: posts have even odds, windows of the wearables 0.3."""

IntArray = npt.NDArray[np.int64]
_EVERYTHING = np.ones(len(MODALITIES), dtype=bool)


@dataclass(frozen=True)
class Moments:
    """P moments, M = 4 modalities in the order of ``MODALITIES``.

    Attributes:
        items: (P, M) index into each modality's table.
        kinds: (P, M) kind of signal.
        age_s: (P, M).
        forged: (P, M) True where the quality is that of the clean signal, whatever the kind.
        noise: (P, M) standard deviations of noise added to the embedding.
        emotion: (P,) label, -1 where there is none.
        stressed: (P,) 0, 1, or -1 where there is none.
        person: (P,) the pseudo-person.
    """

    items: IntArray
    kinds: IntArray
    age_s: npt.NDArray[np.float64]
    forged: npt.NDArray[np.bool_]
    noise: npt.NDArray[np.float64]
    emotion: IntArray
    stressed: IntArray
    person: npt.NDArray[np.str_]

    @classmethod
    def clean(
        cls, items: IntArray, emotion: IntArray, stressed: IntArray, person: npt.NDArray[np.str_]
    ) -> Moments:
        """Return moments whose signals are sound and fresh."""
        zeros = np.zeros(items.shape)
        nowhere = np.zeros(items.shape, bool)
        return cls(items, zeros.astype(int), zeros, nowhere, zeros, emotion, stressed, person)

    def spoilt(self, modality: str, kind: int, *, forged: bool) -> Moments:
        """Return the same moments with one modality's signal of another kind."""
        column = MODALITIES.index(modality)
        kinds, flags = self.kinds.copy(), self.forged.copy()
        kinds[:, column], flags[:, column] = kind, forged
        return replace(self, kinds=kinds, forged=flags)


class Pairs:
    """Draws moments from the tables of some people, and turns them into a model's inputs.

    Args:
        tables: ``face``, ``voice``, ``physiology``, and ``text`` that holds comments and posts.
        layout: of the inputs.
    """

    def __init__(self, tables: Mapping[str, Table], layout: Layout) -> None:
        self.tables = [tables[name] for name in MODALITIES]
        self.layout = layout
        self._by_emotion = [_groups(table.emotion, len(EMOTIONS)) for table in self.tables]
        self._by_stress = [_groups(table.stressed, 2) for table in self.tables]
        self._spread = [table.vectors[0].std(axis=0) for table in self.tables]

    def draw(self, count: int, rng: np.random.Generator) -> Moments:
        """Return moments of training: half of emotion, half of stress, spoilt and aged."""
        share = (1.0 - NEUTRAL_SHARE) / (len(EMOTIONS) - 1)
        prior = np.full(len(EMOTIONS), share)
        prior[0] = NEUTRAL_SHARE
        emotion = rng.choice(len(EMOTIONS), count, p=prior)
        stressed = (rng.random(count) < STRESS_SHARE).astype(np.int64)
        of_stress = np.arange(count) % 2 == 1
        age_s = self._ages(count, rng)
        items = np.stack(
            [self._items(m, emotion, stressed, of_stress, age_s[:, m], rng) for m in range(4)], 1
        )
        kinds = np.stack([_kinds(len(table.kinds), count, rng) for table in self.tables], 1)
        noisy = rng.random(items.shape) < 0.3
        return Moments(
            items, kinds, age_s, rng.random(items.shape) < 0.5,
            noisy * rng.uniform(0.0, 0.5, items.shape),
            np.where(of_stress, -1, emotion), np.where(of_stress, stressed, -1),
            np.full(count, "", dtype=np.str_),
        )  # fmt: skip

    def replaced(self, moments: Moments) -> npt.NDArray[np.bool_]:
        """Return (P, M) True where noise stands in place of the signal."""
        last = np.array([len(table.kinds) - 1 for table in self.tables])
        return np.asarray(moments.kinds == last)

    def _ages(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
        longest = np.array([TERMS[name].max_age_s for name in MODALITIES])
        old = rng.random((count, 4)) < 0.5
        return np.where(old, rng.random((count, 4)), 0.02) * longest

    def _items(
        self,
        m: int,
        emotion: IntArray,
        stressed: IntArray,
        of_stress: npt.NDArray[np.bool_],
        age_s: npt.NDArray[np.float64],
        rng: np.random.Generator,
    ) -> IntArray:
        """Draw one modality's item for every moment; one that is old may be of another state."""
        count = len(emotion)
        passed = rng.random(count) > np.exp(-age_s / EMOTION_DWELL_S)
        shown = np.where(passed | of_stress, rng.integers(len(EMOTIONS), size=count), emotion)
        passed = rng.random(count) > np.exp(-age_s / STRESS_DWELL_S)
        loose = passed | ~of_stress
        felt = np.where(loose, (rng.random(count) < STRESS_SHARE).astype(int), stressed)
        has_emotion, has_stress = bool(self._by_emotion[m]), bool(self._by_stress[m])
        if has_emotion and has_stress:
            both = _pick(self._by_stress[m], felt, rng), _pick(self._by_emotion[m], shown, rng)
            return np.where(of_stress, *both)
        if has_stress:
            return _pick(self._by_stress[m], felt, rng)
        return _pick(self._by_emotion[m], shown, rng)

    def assemble(
        self,
        moments: Moments,
        present: npt.NDArray[np.bool_] = _EVERYTHING,
        rng: np.random.Generator | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return the inputs of a model.

        Args:
            moments: P of them.
            present: (M,) or (P, M) which modalities are there.
            rng: hides encoders and modalities' names now and then, as training wants; None: never.
        """
        count = len(moments.emotion)
        there = np.broadcast_to(present, (count, 4))
        embeddings = np.zeros((count, self.layout.width), np.float32)
        evidence = np.zeros((count, 4, self.layout.columns), np.float32)
        for m, table in enumerate(self.tables):
            item, kind = moments.items[:, m], moments.kinds[:, m]
            vectors = table.vectors[kind, item]
            if rng is not None:
                size = moments.noise[:, m].astype(np.float32)
                shaken = np.flatnonzero(size)
                noise = rng.standard_normal((len(shaken), vectors.shape[1]), np.float32)
                vectors[shaken] += size[shaken, None] * noise * self._spread[m]
            quality = table.quality[np.where(moments.forged[:, m], 0, kind), item]
            known, named = _hidden(count, rng)
            terms = TERMS[table.modality]
            row = rows(
                table.probabilities[kind, item], table.stress[kind, item], quality,
                moments.age_s[:, m], terms.max_age_s, terms.half_life_s, known & named,
            )  # fmt: skip
            evidence[:, m, :IDENTITY] = row
            evidence[:, m, IDENTITY + m] = named
            embeddings[:, self.layout.part(m)] = vectors * row[:, HAS_EMBEDDING, None]
        return mask(self.layout, embeddings, evidence, there)


def mask(
    layout: Layout,
    embeddings: FloatArray,
    evidence: FloatArray,
    there: npt.NDArray[np.bool_],
) -> tuple[FloatArray, FloatArray]:
    """Return the inputs without the modalities that are not there, (P, 4)."""
    widths = [item.width for item in layout.known]
    kept = np.repeat(there, widths, axis=1)
    return (embeddings * kept).astype(np.float32), (evidence * there[..., None]).astype(np.float32)


def layout_of(tables: Mapping[str, Table]) -> Layout:
    """Return the layout of a model that reads the encoders of these tables."""
    return Layout(
        tuple(
            Known(name, tables[name].vectors.shape[-1], (tables[name].model,))
            for name in MODALITIES
        )
    )


def joined_text(tables: Mapping[str, Table]) -> dict[str, Table]:
    """Return the four modalities' tables: comments and posts become one of text."""
    parts = [tables["text"], tables["post"]]
    changed: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=1)
        for name in ("vectors", "probabilities", "stress", "quality")
    }
    for name in ("emotion", "stressed", "person"):
        changed[name] = np.concatenate([getattr(part, name) for part in parts])
    text = replace(parts[0], **changed)
    return {**{name: tables[name] for name in MODALITIES}, "text": text}


def _groups(labels: IntArray, count: int) -> list[IntArray]:
    """Items of every label; empty where the table does not bear such labels."""
    groups = [np.flatnonzero(labels == label) for label in range(count)]
    return groups if all(len(group) for group in groups) else []


def _pick(groups: Sequence[IntArray], labels: IntArray, rng: np.random.Generator) -> IntArray:
    chosen = np.zeros(len(labels), np.int64)
    for label, group in enumerate(groups):
        these = labels == label
        chosen[these] = rng.choice(group, int(these.sum()))
    return chosen


def _kinds(kinds: int, count: int, rng: np.random.Generator) -> IntArray:
    """Clean nine times in twenty, noise in its place five times, otherwise spoilt."""
    middle = 0.3 / max(1, kinds - 2)
    chances = [0.45, *[middle] * (kinds - 2), 0.25]
    return rng.choice(kinds, count, p=np.array(chances) / sum(chances))


def _hidden(
    count: int, rng: np.random.Generator | None
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Whose encoder the model knows, and which modality it knows by name."""
    if rng is None:
        return np.ones(count, bool), np.ones(count, bool)
    return rng.random(count) > 0.15, rng.random(count) > 0.08
