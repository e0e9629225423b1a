"""The fusion strategies by name; a model's card says which one it is."""

from __future__ import annotations

from collections.abc import Sequence

from emostress_ros.errors import CardError
from emostress_ros.fusion.late import LateFusion
from emostress_ros.fusion.learned import LearnedFusion
from emostress_ros.fusion.verdict import FROM_CARD, FusionStrategy, Reliability
from emostress_ros.inference.card import ModelCard

STRATEGIES: dict[str, str] = {
    "late": "a logarithmic pool of calibrated opinions, weighted by quality, age and reliability",
    "early": "one perceptron over all embeddings and opinions side by side",
    "hybrid": "a weighted pool of opinions, corrected by a perceptron over the embeddings",
    "attention": "tokens of the modalities attend to each other and say how far each counts",
}
"""Strategy to what it does; ``extra.strategy`` of a card names one, ``late`` where it does not."""


def load_fusion(
    model: str | ModelCard,
    reliability: Reliability,
    min_quality: float = 0.1,
    unknown_below: float = FROM_CARD,
    providers: Sequence[str] = ("cpu",),
) -> FusionStrategy:
    """Load a fusion model, whatever its strategy.

    Args:
        model: name or folder of the model, or its card.
        reliability: ``(model identifier, task) -> skill in [0, 1]`` from the encoders' cards.
        min_quality: evidence under it is not used.
        unknown_below: confidence under which the emotion is *unknown*; by default the card's.
        providers: of ONNX Runtime, in order of preference.

    Raises:
        ModelError: the model is missing or damaged, or its card names no strategy that there is.
    """
    card = model if isinstance(model, ModelCard) else ModelCard.load(model)
    strategy = str(card.extra.get("strategy", "late"))
    if card.modality != "fusion" or strategy not in STRATEGIES:
        raise CardError(
            f"{card.identifier} is no fusion model: modality '{card.modality}', strategy "
            f"'{strategy}'; allowed: modality 'fusion', strategy {', '.join(STRATEGIES)}"
        )
    if strategy == "late":
        return LateFusion(card, reliability, min_quality, unknown_below)
    return LearnedFusion(card, min_quality, unknown_below, providers)
