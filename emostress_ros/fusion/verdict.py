"""What every fusion strategy shares: its terms, which evidence counts, and how a state is told."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

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
from emostress_ros.fusion.evidence import ModalityTerms
from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.session import Session

Reliability = Callable[[str, str], float | None]
"""``(model identifier, task)`` to the skill on the encoder's card, [0, 1]."""
FROM_CARD = -1.0
"""As ``unknown_below``: the fusion card's ``threshold_unknown`` counts."""
_UNKNOWN_BELOW = 0.4  # where the card has none: a skill of 0.3 over seven classes
_HYSTERESIS = 0.05
USED, MISSING, STALE, LOW_QUALITY, NO_CONSENT = ContributionStatus
_NEEDED = ("modalities", "default", "stress_moderate", "stress_high")


@dataclass(frozen=True)
class Situation:
    """All that is known of one person at one moment.

    Attributes:
        aligned: fresh embeddings.
        stale: embeddings that are too old to count.
        refused: modalities that the person has not consented to.
    """

    aligned: AlignedSet
    stale: Mapping[str, Embedding]
    refused: frozenset[str]


class Finding(NamedTuple):
    """What a strategy makes of a situation.

    Attributes:
        probabilities: 7 in the order of ``EMOTIONS``; empty when nothing spoke of emotion.
        valence: [-1, 1] or NaN.
        arousal: [-1, 1] or NaN.
        stress: [0, 1] or NaN.
        weights: modality to its share in the state; the shares sum to 1, or there are none.
    """

    probabilities: list[float]
    valence: float
    arousal: float
    stress: float
    weights: Mapping[str, float]


class FusionStrategy(ABC):
    """Turns what is known of people into their affect.

    Args:
        card: of the model; its ``threshold_unknown`` counts where ``unknown_below`` does not.
        terms: ``modalities`` and ``default`` (ages), ``stress_moderate`` and ``stress_high``.
        min_quality: evidence under it is not used.
        unknown_below: confidence under which the emotion is *unknown*, [0, 1]; ``FROM_CARD``: as
            the card says, 0.4 where it does not.

    Attributes:
        identifier: ``name@version`` of the model.
        sessions: the ONNX models in use, for diagnostics; none where the fusion needs none.
        unknown_below: the confidence that counts, [0, 1].
    """

    def __init__(
        self, card: ModelCard, terms: Mapping[str, Any], min_quality: float, unknown_below: float
    ) -> None:
        missing = [name for name in _NEEDED if name not in terms]
        if missing:
            raise CardError(f"{card.identifier}: the terms lack {', '.join(missing)}")
        self.identifier = card.identifier
        self.sessions: tuple[Session, ...] = ()
        self.terms = {name: ModalityTerms(**values) for name, values in terms["modalities"].items()}
        self.default_terms = ModalityTerms(**terms["default"])
        self._levels = (float(terms["stress_moderate"]), float(terms["stress_high"]))
        self._min_quality = min_quality
        self.unknown_below = threshold(card) if unknown_below == FROM_CARD else unknown_below

    @abstractmethod
    def findings(self, situations: Sequence[Situation]) -> list[Finding]:
        """Return what the evidence of each person says."""

    def fuse(self, situations: Sequence[Situation]) -> list[Affect]:
        """Return the affect of each person, several in one go."""
        found = self.findings(situations) if situations else []
        return [self._affect(s, f) for s, f in zip(situations, found, strict=True)]

    def terms_of(self, modality: str) -> ModalityTerms:
        """Return the terms of a modality, the default ones where it has none of its own."""
        return self.terms.get(modality, self.default_terms)

    def usable(self, situation: Situation) -> list[Embedding]:
        """Return the fresh evidence that consent and quality allow."""
        return [
            embedding
            for name, embedding in situation.aligned.embeddings.items()
            if name not in situation.refused and embedding.quality >= self._min_quality
        ]

    def level(self, stress: float, before: StressLevel = StressLevel.UNKNOWN) -> StressLevel:
        """Return the coarse level of a stress value; ``before`` adds hysteresis of 0.05."""
        if math.isnan(stress):
            return StressLevel.UNKNOWN
        moderate, high = self._levels
        if before is StressLevel.MODERATE or before is StressLevel.HIGH:
            moderate -= _HYSTERESIS
        if before is StressLevel.HIGH:
            high -= _HYSTERESIS
        if stress >= high:
            return StressLevel.HIGH
        return StressLevel.MODERATE if stress >= moderate else StressLevel.LOW

    def name(self, probabilities: Sequence[float]) -> str:
        """Return the emotion of 7 probabilities, or *unknown* under the threshold."""
        if not probabilities:
            return UNKNOWN
        greatest = max(probabilities)
        return UNKNOWN if greatest < self.unknown_below else EMOTIONS[probabilities.index(greatest)]

    def _affect(self, situation: Situation, found: Finding) -> Affect:
        aligned, each, stress = situation.aligned, found.probabilities, found.stress
        told = [self._contribution(name, situation, found.weights) for name in aligned.expected]
        stamps = [embedding.stamp_ns for embedding in self.usable(situation)]
        return Affect(
            stamp_ns=max(stamps, default=aligned.stamp_ns),
            person_id=aligned.person_id,
            emotion=self.name(each),
            labels=EMOTIONS if each else (),
            probabilities=np.array(each, dtype=np.float32),
            valence=found.valence,
            arousal=found.arousal,
            stress=stress,
            stress_level=self.level(stress),
            confidence=max(each, default=0.0),
            stress_confidence=stress_confidence(stress),
            contributions=tuple(told),
        )

    def _contribution(
        self, name: str, situation: Situation, weights: Mapping[str, float]
    ) -> Contribution:
        aligned, refused = situation.aligned, name in situation.refused
        fresh = aligned.embeddings.get(name)
        embedding = situation.stale.get(name) if fresh is None else fresh
        if embedding is None:
            status = NO_CONSENT if refused else MISSING
            return Contribution(name, "", status, 0.0, math.nan, 0)
        weight, quality = weights.get(name, 0.0), embedding.quality
        if refused:
            status = NO_CONSENT
        elif fresh is None:
            status = STALE
        else:
            counts = weight > 0.0 and quality >= self._min_quality
            status = USED if counts else LOW_QUALITY
        age_ns = aligned.ages_ns[name]
        return Contribution(
            name, embedding.ran_as, status, weight, quality, age_ns if age_ns > 0 else 0
        )


def threshold(card: ModelCard) -> float:
    """Return the confidence, [0, 1], under which a fusion's emotion is *unknown* by its card."""
    stated = card.raw.get("threshold_unknown") is not None
    return card.threshold_unknown if stated else _UNKNOWN_BELOW


def stress_confidence(stress: float) -> float:
    """Return the probability that "stressed or not" is right; 0 where stress is not estimated."""
    return 0.0 if math.isnan(stress) else max(stress, 1.0 - stress)


def in_order(embedding: Embedding) -> list[float]:
    """Return 7 probabilities in the order of ``EMOTIONS``, whatever the embedding's order.

    A label that the model does not know gets none of the probability, so that they may sum to less
    than 1.
    """
    given: list[float] = embedding.probabilities.tolist()
    if embedding.labels == EMOTIONS:  # as our own encoders give them
        return given
    of_label = dict.fromkeys(EMOTIONS, 0.0)
    for label, probability in zip(embedding.labels, given, strict=True):
        if label in of_label:
            of_label[label] += probability
    return list(of_label.values())


def wire_probabilities(embedding: Embedding) -> npt.NDArray[np.float64]:
    """Return (7,) probabilities in the order of ``EMOTIONS``, whatever the embedding's order.

    A label that the model does not know gets none of the probability.
    """
    given = np.array(in_order(embedding))
    total = given.sum()
    return given / total if total > 0.0 else np.full(len(EMOTIONS), 1.0 / len(EMOTIONS))


def combined_shares(
    names: Sequence[str], emotion: Sequence[float], stress: Sequence[float]
) -> dict[str, float]:
    """Return one share a modality: the mean of its shares in the questions that were answered.

    Args:
        names: M modalities.
        emotion: M weights >= 0 in the question of emotion; all zero where it was not answered.
        stress: the same in the question of stress.
    """
    totals = sum(emotion), sum(stress)
    answered = (totals[0] > 0.0) + (totals[1] > 0.0)
    if not answered:
        return {}
    first, second = (1.0 / (answered * total) if total > 0.0 else 0.0 for total in totals)
    return {
        name: first * one + second * other
        for name, one, other in zip(names, emotion, stress, strict=True)
    }
