"""Late fusion: calibrated opinions, weighted by quality, freshness and each model's reliability."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emostress_ros.affect import Embedding
from emostress_ros.errors import CardError
from emostress_ros.fusion import pool
from emostress_ros.fusion.verdict import (
    FROM_CARD,
    Finding,
    FusionStrategy,
    Reliability,
    Situation,
    combined_shares,
    wire_probabilities,
)
from emostress_ros.inference.card import ModelCard

DEFAULT_RELIABILITY = 0.3
"""Skill granted to a model whose card is not at hand."""
_NEEDED = {"synergy", "min_trust"}
_TASKS = ("emotion", "stress")


@dataclass(frozen=True)
class Evidence:
    """One modality's embedding with the weight it is given."""

    embedding: Embedding
    trust: float
    emotion_weight: float
    stress_weight: float


class LateFusion(FusionStrategy):
    """Pools the opinions of one person's senses.

    Args:
        card: card of a ``fusion_late`` model; its file holds the terms as JSON.
        reliability: ``(model identifier, task) -> skill in [0, 1]`` from the encoders' cards.
        min_quality: evidence under it is not used.
        unknown_below: confidence under which the emotion is *unknown*; by default the card's.
    """

    def __init__(
        self,
        card: ModelCard,
        reliability: Reliability,
        min_quality: float = 0.1,
        unknown_below: float = FROM_CARD,
    ) -> None:
        card.check_weights()
        terms = _read_terms(card)
        super().__init__(card, terms, min_quality, unknown_below)
        self._synergy = {task: float(terms["synergy"][task]) for task in _TASKS}
        self._min_trust = float(terms["min_trust"])
        self._reliability = reliability

    def findings(self, situations: Sequence[Situation]) -> list[Finding]:
        """Return the pooled opinions of each person."""
        return [self._finding(situation) for situation in situations]

    def _finding(self, situation: Situation) -> Finding:
        evidence = [
            self._weigh(embedding, situation.aligned.ages_ns[embedding.modality])
            for embedding in self.usable(situation)
        ]
        probabilities, emotion_shares = self._emotion(evidence)
        stress, stress_shares = self._stress(evidence)
        everything = np.array([item.trust for item in evidence])
        names = [item.embedding.modality for item in evidence]
        return Finding(
            probabilities,
            pool.weighted_mean(_each(evidence, "valence"), everything),
            pool.weighted_mean(_each(evidence, "arousal"), everything),
            stress,
            combined_shares(names, emotion_shares.tolist(), stress_shares.tolist()),
        )

    def _weigh(self, embedding: Embedding, age_ns: int) -> Evidence:
        terms = self.terms_of(embedding.modality)
        trust = embedding.quality * pool.freshness(age_ns, terms.half_life_s)
        speaks = len(embedding.probabilities) > 0
        stressed = not math.isnan(embedding.stress)
        return Evidence(
            embedding,
            trust,
            trust * self._skill(embedding.model, "emotion") if speaks else 0.0,
            trust * self._skill(embedding.model, "stress") if stressed else 0.0,
        )

    def _skill(self, model: str, task: str) -> float:
        skill = self._reliability(model, task)
        return DEFAULT_RELIABILITY if skill is None else skill

    def _emotion(self, evidence: list[Evidence]) -> tuple[list[float], np.ndarray]:
        weights = np.array([item.emotion_weight for item in evidence])
        trust = np.array([item.trust for item in evidence])
        heard = (weights > 0.0) & (trust >= self._min_trust)
        share = np.zeros(len(evidence))
        if not heard.any():
            return [], share
        opinions = np.stack(
            [
                wire_probabilities(item.embedding)
                for item, ok in zip(evidence, heard, strict=True)
                if ok
            ]
        )
        share[heard] = pool.shares(weights[heard])
        pooled = pool.pool(opinions, trust[heard], weights[heard], self._synergy["emotion"])
        return pooled.tolist(), share

    def _stress(self, evidence: list[Evidence]) -> tuple[float, np.ndarray]:
        weights = np.array([item.stress_weight for item in evidence])
        trust = np.array([item.trust for item in evidence])
        heard = (weights > 0.0) & (trust >= self._min_trust)
        share = np.zeros(len(evidence))
        if not heard.any():
            return math.nan, share
        values = _each(evidence, "stress")[heard]
        share[heard] = pool.shares(weights[heard])
        felt = pool.pool_binary(values, trust[heard], weights[heard], self._synergy["stress"])
        return felt, share


def _each(evidence: list[Evidence], name: str) -> np.ndarray:
    return np.array([getattr(item.embedding, name) for item in evidence], dtype=np.float64)


def _read_terms(card: ModelCard) -> dict[str, Any]:
    try:
        terms = json.loads(card.file.read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or not even UTF-8
        raise CardError(f"{card.file} is not JSON: {error}") from error
    missing = _NEEDED - set(terms)
    if missing:
        raise CardError(f"{card.file} lacks {', '.join(sorted(missing))}")
    if not isinstance(terms["synergy"], dict):  # one number for both
        terms["synergy"] = dict.fromkeys(_TASKS, terms["synergy"])
    unsaid = set(_TASKS) - set(terms["synergy"])
    if unsaid:
        raise CardError(f"{card.file}: synergy lacks {', '.join(sorted(unsaid))}")
    return dict(terms)
