"""Learned fusion: an ONNX model over the embeddings of one moment, several people in one batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import Embedding
from emostress_ros.errors import CardError, ModelCorruptError
from emostress_ros.fusion import pool
from emostress_ros.fusion.evidence import (
    SPEAKS_OF_EMOTION,
    SPEAKS_OF_STRESS,
    FloatArray,
    Heard,
    Layout,
    pack,
)
from emostress_ros.fusion.verdict import (
    FROM_CARD,
    Finding,
    FusionStrategy,
    Situation,
    combined_shares,
    wire_probabilities,
)
from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.session import Session

INPUTS = ("embeddings", "evidence")
OUTPUTS = (
    "probabilities",
    "valence",
    "arousal",
    "valence_deviation",
    "arousal_deviation",
    "stress",
    "emotion_weights",
    "stress_weights",
)
_NOTHING = np.full(7, np.nan)


class LearnedFusion(FusionStrategy):
    """Runs a fusion model that was trained: early, hybrid or attention.

    Args:
        card: names the strategy and the modalities under ``extra``.
        min_quality: evidence under it is not used.
        unknown_below: confidence under which the emotion is *unknown*; by default the card's.

    Attributes:
        layout: what the model knows.
        session: the ONNX model.

    Raises:
        CardError, ModelCorruptError: the card or the model is not that of a learned fusion.
    """

    def __init__(
        self, card: ModelCard, min_quality: float = 0.1, unknown_below: float = FROM_CARD
    ) -> None:
        terms = card.extra.get("terms")
        if not isinstance(terms, dict):
            raise CardError(f"{card.identifier}: extra.terms must be a mapping; got {terms!r}")
        super().__init__(card, terms, min_quality, unknown_below)
        self.layout = Layout.from_card(card.extra, card.identifier)
        self.session = Session(card)
        lacking = [name for name in OUTPUTS if name not in self.session.output_names]
        if tuple(self.session.input_names) != INPUTS or lacking:
            raise ModelCorruptError(
                f"{card.identifier} is no learned fusion: it needs the inputs {', '.join(INPUTS)} "
                f"and the outputs {', '.join(OUTPUTS)}"
            )

    def findings(self, situations: Sequence[Situation]) -> list[Finding]:
        """Return what the model says of each person; one run for all of them."""
        heard = [self._heard(situation) for situation in situations]
        if not any(heard):
            return [_silence() for _ in situations]
        embeddings, evidence = pack(self.layout, heard)
        said = self.session.run({"embeddings": embeddings, "evidence": evidence})
        return [
            _finding(items, evidence[i], {name: rows[i] for name, rows in said.items()})
            for i, items in enumerate(heard)
        ]

    def _heard(self, situation: Situation) -> list[Heard]:
        ages = situation.aligned.ages_ns
        return [
            Heard(item, _opinion(item), ages[item.modality] / 1e9, self.terms_of(item.modality))
            for item in self.usable(situation)
        ]


def _opinion(embedding: Embedding) -> npt.NDArray[np.float64]:
    return wire_probabilities(embedding) if len(embedding.probabilities) else _NOTHING


def _silence() -> Finding:
    return Finding(np.empty(0), math.nan, math.nan, math.nan, {})


def _finding(items: Sequence[Heard], evidence: FloatArray, said: dict[str, FloatArray]) -> Finding:
    count = len(items)
    speaks = evidence[:count, SPEAKS_OF_EMOTION] > 0.0
    felt = evidence[:count, SPEAKS_OF_STRESS] > 0.0
    emotion = pool.shares(said["emotion_weights"][:count].astype(np.float64) * speaks)
    stress = pool.shares(said["stress_weights"][:count].astype(np.float64) * felt)
    names = [item.embedding.modality for item in items]
    probabilities = said["probabilities"].astype(np.float64) if speaks.any() else np.empty(0)
    valence, arousal = _mood(items, said, known=bool(speaks.any()))
    return Finding(
        probabilities,
        valence,
        arousal,
        float(np.clip(said["stress"], 0.0, 1.0)) if felt.any() else math.nan,
        combined_shares(names, emotion, stress),
    )


def _mood(
    items: Sequence[Heard], said: dict[str, FloatArray], *, known: bool
) -> tuple[float, float]:
    """Return valence and arousal: the model's, or what encoders without labels estimate."""
    if known:
        return tuple(float(np.clip(said[name], -1.0, 1.0)) for name in ("valence", "arousal"))  # type: ignore[return-value]
    trust = np.array([item.embedding.quality for item in items])
    each = [
        np.array([getattr(item.embedding, name) for item in items], dtype=np.float64)
        for name in ("valence", "arousal")
    ]
    return pool.weighted_mean(each[0], trust), pool.weighted_mean(each[1], trust)
