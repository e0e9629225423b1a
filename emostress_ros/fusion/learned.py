"""Learned fusion: an ONNX model over the embeddings of one moment, several people in one batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from emostress_ros.errors import CardError, ModelCorruptError
from emostress_ros.fusion import pool
from emostress_ros.fusion.evidence import Layout
from emostress_ros.fusion.packing import Heard, Packer
from emostress_ros.fusion.verdict import (
    FROM_CARD,
    Finding,
    FusionStrategy,
    Situation,
    combined_shares,
    in_order,
)
from emostress_ros.inference.bound import BoundRun
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
"""Outputs that a model is exported with."""
USED = ("probabilities", "valence", "arousal", "stress", "emotion_weights", "stress_weights")
"""Outputs that the running graph reads."""
_MOST_SHAPES = 64
_Run = tuple[BoundRun, Packer, list[np.ndarray]]
_SILENCE = Finding([], math.nan, math.nan, math.nan, {})


class LearnedFusion(FusionStrategy):
    """Runs a fusion model that was trained: early, hybrid or attention.

    Args:
        card: names the strategy and the modalities under ``extra``.
        min_quality: evidence under it is not used.
        unknown_below: confidence under which the emotion is *unknown*; by default the card's.
        providers: of ONNX Runtime, in order of preference.

    One thread at a time: the model's inputs and outputs are arrays that stay.

    Attributes:
        layout: what the model knows.
        session: the ONNX model.

    Raises:
        CardError, ModelCorruptError: the card or the model is not that of a learned fusion.
    """

    def __init__(
        self,
        card: ModelCard,
        min_quality: float = 0.1,
        unknown_below: float = FROM_CARD,
        providers: Sequence[str] = ("cpu",),
    ) -> None:
        terms = card.extra.get("terms")
        if not isinstance(terms, dict):
            raise CardError(f"{card.identifier}: extra.terms must be a mapping; got {terms!r}")
        super().__init__(card, terms, min_quality, unknown_below)
        self.layout = Layout.from_card(card.extra, card.identifier)
        self.session = Session(card, providers, outputs=USED)
        self.sessions = (self.session,)
        lacking = [name for name in USED if name not in self.session.output_names]
        if tuple(self.session.input_names) != INPUTS or lacking:
            raise ModelCorruptError(
                f"{card.identifier} is no learned fusion: it needs the inputs {', '.join(INPUTS)} "
                f"and the outputs {', '.join(USED)}"
            )
        self._runs: dict[tuple[int, int], _Run] = {}
        for tokens in range(1, len(self.terms) + 1):
            self._run_of(1, tokens)  # the usual sizes, before the first moment is due

    def findings(self, situations: Sequence[Situation]) -> list[Finding]:
        """Return what the model says of each person; one run for all of them."""
        heard = [self._heard(situation) for situation in situations]
        if not any(heard):
            return [_SILENCE] * len(situations)
        run, packer, outputs = self._run_of(len(heard), max(map(len, heard)))
        packer.pack(heard)
        run.run()
        # Lists: each look into an array of a few numbers costs more than what is done with them.
        said = [output.tolist() for output in outputs]
        return [_finding(*one) for one in zip(heard, *said, strict=True)]

    def _run_of(self, people: int, tokens: int) -> _Run:
        """Return the run of this shape, made when it is first asked for.

        Returns:
            the run, what writes its inputs, and the arrays of :data:`USED`, people first.
        """
        known = self._runs.get((people, tokens))
        if known is None:
            shapes = ((people, self.layout.width), (people, tokens, self.layout.columns))
            empty = (np.zeros(shape, np.float32) for shape in shapes)
            run = self.session.bound(dict(zip(INPUTS, empty, strict=True)))
            named = dict(zip(self.session.output_names, run.outputs, strict=True))
            outputs = [named[name] for name in USED]
            if len(self._runs) >= _MOST_SHAPES:
                self._runs.clear()
            packer = Packer(self.layout, *run.inputs.values())
            known = self._runs[people, tokens] = run, packer, outputs
        return known

    def _heard(self, situation: Situation) -> list[Heard]:
        ages, terms, others = situation.aligned.ages_ns, self.terms, self.default_terms
        return [
            Heard(
                item,
                in_order(item) if item.labels else None,
                ages[item.modality] / 1e9,
                terms.get(item.modality, others),
            )
            for item in self.usable(situation)
        ]


def _finding(
    items: Sequence[Heard],
    probabilities: list[float],
    valence: float,
    arousal: float,
    stress: float,
    emotion_weights: list[float],
    stress_weights: list[float],
) -> Finding:
    # A person of whom less is known than of another has fewer items than there are weights.
    count, names = len(items), [item.embedding.modality for item in items]
    speaks = [item.probabilities is not None for item in items]
    feels = [not math.isnan(item.embedding.stress) for item in items]
    known = any(speaks)
    return Finding(
        probabilities if known else [],
        *((_within(valence, -1.0), _within(arousal, -1.0)) if known else _mood(items)),
        _within(stress, 0.0) if any(feels) else math.nan,
        combined_shares(
            names,
            _of_those(speaks, emotion_weights[:count]),
            _of_those(feels, stress_weights[:count]),
        ),
    )


def _of_those(counts: Sequence[bool], weights: Sequence[float]) -> list[float]:
    """Return the weights of those that count, 0 for the others."""
    return [one if there else 0.0 for one, there in zip(weights, counts, strict=True)]


def _within(value: float, low: float) -> float:
    return low if value < low else min(value, 1.0)


def _mood(items: Sequence[Heard]) -> tuple[float, float]:
    """Return valence and arousal that encoders without labels estimate, NaN where none does."""
    trust = np.array([item.embedding.quality for item in items])
    valence, arousal = (
        np.array([getattr(item.embedding, name) for item in items], dtype=np.float64)
        for name in ("valence", "arousal")
    )
    return pool.weighted_mean(valence, trust), pool.weighted_mean(arousal, trust)
