"""Figures of an exported text model on the held-out parts of its sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emostress_ros.metrics import Score, recall_per_class
from emostress_ros.modalities.text.encoder import Outputs, TextEncoder
from emostress_ros.training.datasets.labelled_text import LabelledTexts
from emostress_ros.training.text.card import figure, skill
from emostress_ros.training.text.data import HELD_OUT
from emostress_ros.training.text.scores import SCORERS, encode_texts, score_published, slices_of

_SPLITS = {"goemotions": "dev", "meld": "dev", "dreaddit": "train, fold 0 of 5 by post"}
_NOTES = {
    "goemotions": "macro_f1 multi-label (Demszky et al. 2020), thresholds fitted on this split; "
    "bootstrap over comments, for their writers are not told",
    "meld": "bootstrap over speakers, six of whom speak five lines of six and are in "
    "the train split too; balance and temperature fitted on this split",
    "dreaddit": "bootstrap over posts, for their writers are not told; Platt scaling fitted on "
    "this fold",
}


def evaluate_model(
    folder: Path, held_out: dict[str, LabelledTexts]
) -> tuple[list[dict[str, Any]], dict[str, float | None]]:
    """Score a model folder.

    Returns:
        (entries for the card's ``figures``, the card's ``reliability``).
    """
    encoder = TextEncoder(str(folder.resolve()))
    outputs = {name: encode_texts(encoder, texts.texts) for name, texts in held_out.items()}
    return evaluate_outputs(encoder, outputs, held_out)


def evaluate_outputs(
    encoder: TextEncoder, outputs_of: dict[str, Outputs], held_out: dict[str, LabelledTexts]
) -> tuple[list[dict[str, Any]], dict[str, float | None]]:
    """Score what a model answered; returns what :func:`evaluate_model` does."""
    figures: list[dict[str, Any]] = []
    skills: list[float] = []
    stress: float | None = None
    for name, texts in held_out.items():
        outputs = outputs_of[name]
        score = SCORERS[name](texts, outputs, encoder)
        slices = slices_of(name, texts, outputs, encoder)
        figures.append(_entry(name, score, encoder.card.name, slices))
        if name == "dreaddit":
            stress = skill(score.uar, 2)
        else:
            general = score_published(texts, outputs)
            skills.append(skill(general.uar, 7))
            figures.append(_general_entry(name, general, encoder.card.name))
    emotion = round(float(np.mean(skills)), 4) if skills else None
    return figures, {"emotion": emotion, "stress": stress}


def _entry(name: str, score: Score, model: str, slices: dict[str, Any]) -> dict[str, Any]:
    more: dict[str, Any] = {"note": _NOTES[name], "recall": _recalls(score), "slices": slices}
    if "single_label" in score.extra:
        single = score.extra["single_label"]
        more["single_label"] = {key: round(float(value), 4) for key, value in single.items()}
    return figure(score, name, _SPLITS[name], _command(name, model), **more)


def _recalls(score: Score) -> dict[str, float]:
    """Label to the share of its texts that were recognised."""
    shares = np.round(recall_per_class(score.confusion), 4).tolist()
    return dict(zip(score.labels, shares, strict=True))


def _command(name: str, model: str) -> str:
    split = HELD_OUT if name == "dreaddit" else "dev"
    return f"emostress score text {name} ../shared/data/text/{name} --split {split} --model {model}"


def _general_entry(name: str, score: Score, model: str) -> dict[str, Any]:
    note = "the output `probabilities`, which the graph publishes, on texts of one label"
    return figure(
        score,
        name,
        _SPLITS[name],
        f"{_command(name, model)} --protocol published",
        output="probabilities",
        note=note,
    )
