"""Figures of an exported text model on the held-out parts of its sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emostress_ros.metrics import Score, score_predictions
from emostress_ros.modalities.text.encoder import Outputs, TextEncoder
from emostress_ros.training.datasets.labelled_text import LabelledTexts
from emostress_ros.training.text_card import figure, skill
from emostress_ros.training.text_scores import SCORERS, encode_texts

_SPLITS = {"goemotions": "dev", "meld": "dev", "dreaddit": "train, fold 0 of 5 by post"}
_NOTES = {
    "goemotions": "macro_f1 multi-label (Demszky et al. 2020), thresholds fitted on this split; "
    "bootstrap over comments",
    "meld": "bootstrap over dialogues; temperature fitted on this split",
    "dreaddit": "bootstrap over posts; Platt scaling fitted on this fold",
}


def evaluate_model(
    folder: Path, held_out: dict[str, LabelledTexts]
) -> tuple[list[dict[str, Any]], dict[str, float | None]]:
    """Score a model folder.

    Returns:
        (entries for the card's ``figures``, the card's ``reliability``).
    """
    encoder = TextEncoder(str(folder.resolve()))
    figures: list[dict[str, Any]] = []
    skills: list[float] = []
    stress: float | None = None
    for name, texts in held_out.items():
        outputs = encode_texts(encoder, texts.texts)
        score = SCORERS[name](texts, outputs, encoder)
        figures.append(_entry(name, score, folder.name))
        if name == "dreaddit":
            stress = skill(score.uar, 2)
        else:
            general = _general(texts, outputs)
            skills.append(skill(general.uar, 7))
            figures.append(_general_entry(name, general))
    emotion = round(float(np.mean(skills)), 4) if skills else None
    return figures, {"emotion": emotion, "stress": stress}


def _entry(name: str, score: Score, model: str) -> dict[str, Any]:
    more: dict[str, Any] = {"note": _NOTES[name]}
    if "single_label" in score.extra:
        single = score.extra["single_label"]
        more["single_label"] = {key: round(float(value), 4) for key, value in single.items()}
    command = f"emostress score text {name} ../shared/data/text/{name} --split dev --model {model}"
    if name == "dreaddit":
        command = "emostress train text (the fold is held out while training and scored after it)"
    return figure(score, name, _SPLITS[name], command, **more)


def _general(texts: LabelledTexts, outputs: Outputs) -> Score:
    """Score ``probabilities``, which the graph publishes, on texts of one label."""
    single = texts.single
    rows = outputs["probabilities"][single].astype(np.float64)
    kept = texts.take(single)
    truth = kept.targets.argmax(axis=1)
    return score_predictions(
        texts.labels, truth, rows / rows.sum(axis=1, keepdims=True), kept.groups
    )


def _general_entry(name: str, score: Score) -> dict[str, Any]:
    note = "the output `probabilities`, which the graph publishes, on texts of one label"
    return figure(
        score,
        name,
        _SPLITS[name],
        "emostress train text (scored after export)",
        output="probabilities",
        note=note,
    )
