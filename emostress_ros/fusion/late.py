"""Late fusion: calibrated opinions, weighted by quality, freshness and each model's reliability."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emostress_ros.affect import (
    EMOTIONS,
    UNKNOWN,
    Affect,
    AlignedSet,
    Contribution,
    ContributionStatus,
    Embedding,
    StressLevel,
)
from emostress_ros.errors import CardError
from emostress_ros.fusion import pool
from emostress_ros.inference.card import ModelCard

DEFAULT_RELIABILITY = 0.3
"""Skill granted to a model whose card is not at hand."""


@dataclass(frozen=True)
class ModalityTerms:
    """How the fusion model reads one modality.

    Attributes:
        max_age_s: evidence older than this is stale.
        half_life_s: age at which evidence is trusted half as much.
    """

    max_age_s: float
    half_life_s: float


@dataclass(frozen=True)
class Evidence:
    """One modality's embedding with the weight it is given."""

    embedding: Embedding
    trust: float
    emotion_weight: float
    stress_weight: float


class LateFusion:
    """Fuses one person's aligned embeddings into an :class:`Affect`.

    Args:
        card: card of a ``fusion_late`` model; its file holds the terms as JSON.
        reliability: ``(model identifier, task) -> skill in [0, 1]`` from the encoders' cards.
        min_quality: evidence under it is not used.
        unknown_below: confidence under which the emotion is *unknown*.
    """

    def __init__(
        self,
        card: ModelCard,
        reliability: Callable[[str, str], float | None],
        min_quality: float = 0.1,
        unknown_below: float = 0.4,
    ) -> None:
        card.check_weights()
        terms = _read_terms(card)
        self.identifier = card.identifier
        self.terms = {name: ModalityTerms(**values) for name, values in terms["modalities"].items()}
        self.default_terms = ModalityTerms(**terms["default"])
        self._synergy = float(terms["synergy"])
        self._levels = (float(terms["stress_moderate"]), float(terms["stress_high"]))
        self._min_trust = float(terms["min_trust"])
        self._reliability = reliability
        self._min_quality = min_quality
        self._unknown_below = unknown_below

    def fuse(
        self, aligned: AlignedSet, stale: Mapping[str, Embedding], refused: frozenset[str]
    ) -> Affect:
        """Return what the evidence says.

        Args:
            aligned: fresh embeddings of one person.
            stale: embeddings that are too old to count.
            refused: modalities that the person has not consented to.
        """
        evidence = [
            self._weigh(embedding, aligned.ages_ns[name])
            for name, embedding in aligned.embeddings.items()
            if name not in refused and embedding.quality >= self._min_quality
        ]
        probabilities, emotion_shares = self._emotion(evidence)
        stress, stress_shares = self._stress(evidence)
        confidence = float(probabilities.max()) if len(probabilities) else 0.0
        weights = _combined_shares(evidence, emotion_shares, stress_shares)
        everything = np.array([item.trust for item in evidence])
        return Affect(
            stamp_ns=_newest(evidence, aligned.stamp_ns),
            person_id=aligned.person_id,
            emotion=self.name(probabilities),
            labels=EMOTIONS if len(probabilities) else (),
            probabilities=probabilities.astype(np.float32),
            valence=pool.weighted_mean(_each(evidence, "valence"), everything),
            arousal=pool.weighted_mean(_each(evidence, "arousal"), everything),
            stress=stress,
            stress_level=self.level(stress),
            confidence=confidence,
            stress_confidence=0.0 if math.isnan(stress) else max(stress, 1.0 - stress),
            contributions=self._contributions(aligned, stale, refused, weights),
        )

    def level(self, stress: float, before: StressLevel = StressLevel.UNKNOWN) -> StressLevel:
        """Return the coarse level of a stress value; ``before`` adds hysteresis of 0.05."""
        if math.isnan(stress):
            return StressLevel.UNKNOWN
        moderate, high = self._levels
        margin = 0.05
        if before >= StressLevel.MODERATE:
            moderate -= margin
        if before == StressLevel.HIGH:
            high -= margin
        if stress >= high:
            return StressLevel.HIGH
        return StressLevel.MODERATE if stress >= moderate else StressLevel.LOW

    def name(self, probabilities: np.ndarray) -> str:
        """Return the emotion of (K,) probabilities, or *unknown* under the threshold."""
        if len(probabilities) == 0 or float(probabilities.max()) < self._unknown_below:
            return UNKNOWN
        return EMOTIONS[int(np.argmax(probabilities))]

    def _weigh(self, embedding: Embedding, age_ns: int) -> Evidence:
        terms = self.terms.get(embedding.modality, self.default_terms)
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

    def _emotion(self, evidence: list[Evidence]) -> tuple[np.ndarray, np.ndarray]:
        weights = np.array([item.emotion_weight for item in evidence])
        trust = np.array([item.trust for item in evidence])
        heard = (weights > 0.0) & (trust >= self._min_trust)
        share = np.zeros(len(evidence))
        if not heard.any():
            return np.empty(0), share
        opinions = np.stack(
            [
                wire_probabilities(item.embedding)
                for item, ok in zip(evidence, heard, strict=True)
                if ok
            ]
        )
        share[heard] = pool.shares(weights[heard])
        return pool.pool(opinions, trust[heard], weights[heard], self._synergy), share

    def _stress(self, evidence: list[Evidence]) -> tuple[float, np.ndarray]:
        weights = np.array([item.stress_weight for item in evidence])
        trust = np.array([item.trust for item in evidence])
        heard = (weights > 0.0) & (trust >= self._min_trust)
        share = np.zeros(len(evidence))
        if not heard.any():
            return math.nan, share
        values = _each(evidence, "stress")[heard]
        share[heard] = pool.shares(weights[heard])
        return pool.pool_binary(values, trust[heard], weights[heard], self._synergy), share

    def _contributions(
        self,
        aligned: AlignedSet,
        stale: Mapping[str, Embedding],
        refused: frozenset[str],
        weights: Mapping[str, float],
    ) -> tuple[Contribution, ...]:
        entries = []
        for name in aligned.expected:
            embedding = aligned.embeddings.get(name) or stale.get(name)
            if embedding is None:
                status = _status_of_silence(name in refused)
                entries.append(Contribution(name, "", status, 0.0, math.nan, 0))
                continue
            status = self._status(name, embedding, name in stale, name in refused, weights)
            weight = weights.get(name, 0.0)
            age = max(0, aligned.ages_ns[name])
            entries.append(
                Contribution(name, embedding.model, status, weight, embedding.quality, age)
            )
        return tuple(entries)

    def _status(
        self,
        name: str,
        embedding: Embedding,
        is_stale: bool,
        is_refused: bool,
        weights: Mapping[str, float],
    ) -> ContributionStatus:
        if is_refused:
            return ContributionStatus.NO_CONSENT
        if is_stale:
            return ContributionStatus.STALE
        if embedding.quality < self._min_quality or weights.get(name, 0.0) <= 0.0:
            return ContributionStatus.LOW_QUALITY
        return ContributionStatus.USED


def wire_probabilities(embedding: Embedding) -> np.ndarray:
    """Return (7,) probabilities in the order of ``EMOTIONS``, whatever the embedding's order.

    A label that the model does not know gets none of the probability.
    """
    result = np.zeros(len(EMOTIONS))
    for label, probability in zip(embedding.labels, embedding.probabilities, strict=True):
        if label in EMOTIONS:
            result[EMOTIONS.index(label)] += float(probability)
    total = result.sum()
    return result / total if total > 0.0 else np.full(len(EMOTIONS), 1.0 / len(EMOTIONS))


def _combined_shares(
    evidence: list[Evidence], emotion: np.ndarray, stress: np.ndarray
) -> dict[str, float]:
    # One weight a modality travels on the wire: the mean of its shares in the two questions,
    # over the questions that were answered at all, so that the weights sum to 1.
    answered = [share for share in (emotion, stress) if share.sum() > 0.0]
    if not answered:
        return {}
    mean = np.mean(answered, axis=0)
    return {
        item.embedding.modality: float(weight) for item, weight in zip(evidence, mean, strict=True)
    }


def _each(evidence: list[Evidence], name: str) -> np.ndarray:
    return np.array([getattr(item.embedding, name) for item in evidence], dtype=np.float64)


def _newest(evidence: list[Evidence], moment_ns: int) -> int:
    return max((item.embedding.stamp_ns for item in evidence), default=moment_ns)


def _status_of_silence(refused: bool) -> ContributionStatus:
    return ContributionStatus.NO_CONSENT if refused else ContributionStatus.MISSING


def _read_terms(card: ModelCard) -> dict[str, Any]:
    try:
        terms = json.loads(card.file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise CardError(f"{card.file} is not JSON: {error}") from error
    needed = {"modalities", "default", "synergy", "stress_moderate", "stress_high", "min_trust"}
    missing = needed - set(terms)
    if missing:
        raise CardError(f"{card.file} lacks {', '.join(sorted(missing))}")
    return dict(terms)
