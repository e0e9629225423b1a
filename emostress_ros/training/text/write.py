"""From a trained text network to a model folder: calibration, export, figures, card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.inference.packaged import sha256_of
from emostress_ros.training.text.calibrate import (
    balance_shift,
    cross_fitted_macro_f1,
    fit_platt,
    fit_temperature,
    fit_thresholds,
    sigmoid,
)
from emostress_ros.training.text.card import ENCODER, CardFacts, write_card
from emostress_ros.training.text.data import Corpora
from emostress_ros.training.text.encoder import BertShape
from emostress_ros.training.text.evaluate import evaluate_model
from emostress_ros.training.text.export import Graph, Linear, add_bert, add_heads, save
from emostress_ros.training.text.pretrained import MAX_TOKENS, Pretrained, package_path

FloatArray = npt.NDArray[np.float32]
MELD_BALANCE = 0.5
"""Exponent of the classes' frequencies by which MELD's answers are divided: three quarters of its
lines are neutral, happy or surprised (logit adjustment: Menon et al., ICLR 2021)."""


@dataclass(frozen=True)
class Trained:
    """A trained network, taken apart for calibration and export.

    Attributes:
        encoder: weights of the encoder, or None where it stays in its package.
        shape: of the encoder.
        hidden: layer below the heads, or None.
        heads: the heads before calibration.
        logits: held-out set to head to logits, in the order of the set's texts.
    """

    encoder: dict[str, FloatArray] | None
    shape: BertShape
    hidden: Linear | None
    heads: dict[str, Linear]
    logits: dict[str, dict[str, FloatArray]]


def write_model(
    trained: Trained,
    pretrained: Pretrained,
    corpora: Corpora,
    folder: Path,
    training: dict[str, Any],
    *,
    version: str = "1.0.0",
    quantise: bool = True,
) -> None:
    """Calibrate, export, score the exported file and write its card.

    Args:
        trained: the network.
        pretrained: what it started from.
        corpora: its training and held-out parts.
        folder: model folder to write.
        training: what the card says of the training.
        version: of the model.
        quantise: store weights as int8.
    """
    heads, calibration, thresholds = calibrate(trained, corpora)
    shape, frozen = trained.shape, trained.encoder is None
    graph = Graph(quantise=quantise, attention_heads=shape.heads, epsilon=shape.epsilon)
    embedding = "sentence" if trained.encoder is None else add_bert(graph, trained.encoder)
    outputs = add_heads(graph, embedding, trained.hidden, heads)
    inputs = ["sentence"] if frozen else ["input_ids", "attention_mask"]
    save(graph, inputs, outputs, folder / "model.onnx")
    facts = CardFacts(
        name=folder.name,
        version=version,
        sources=tuple(name for name in corpora.train if name != "original"),
        embedding_dim=shape.width,
        thresholds=thresholds,
        calibration=calibration,
        training=training,
        outputs=outputs,
        max_tokens=min(MAX_TOKENS, shape.positions),
        tokenizer=pretrained.tokenizer_facts(),
        encoder={**ENCODER, "sha256": sha256_of(package_path(ENCODER))} if frozen else {},
        origin="" if pretrained.packaged else pretrained.name,
    )
    write_card(folder, facts, [], {})
    figures, reliability = evaluate_model(folder, corpora.held_out)
    write_card(folder, facts, figures, reliability)


def calibrate(
    trained: Trained, corpora: Corpora
) -> tuple[dict[str, Linear], dict[str, Any], list[float]]:
    """Fold temperatures and Platt scaling into the heads.

    Returns:
        (calibrated heads, what the card says of the calibration, multi-label thresholds).
    """
    heads, logits, held_out = dict(trained.heads), dict(trained.logits), corpora.held_out
    stressed = "dreaddit" in logits
    facts: dict[str, Any] = {
        "method": "temperature (labels)" + (", Platt scaling (stress)" if stressed else ""),
        "fitted_on": "dev splits" + ("; Dreaddit fold 0" if stressed else ""),
    }
    if "meld" in logits:
        balance = balance_shift(corpora.train["meld"], MELD_BALANCE)
        heads["meld"] = heads["meld"].scaled(1.0, balance)
        logits["meld"] = {**logits["meld"], "meld": logits["meld"]["meld"] + balance}
        facts["balance_meld"] = MELD_BALANCE
    emotional = [name for name in ("goemotions", "meld") if name in logits]
    for name in emotional:
        temperature = fit_temperature(logits[name][name], held_out[name].targets)
        heads[name] = heads[name].scaled(1.0 / temperature)
        facts[f"temperature_{name}"] = round(temperature, 4)
    if emotional:
        temperature = fit_temperature(
            np.concatenate([logits[name]["general"] for name in emotional]),
            np.concatenate([held_out[name].targets for name in emotional]),
            # Each set counts the same, so that the larger does not decide for spoken lines.
            np.concatenate([np.full(len(held_out[n]), 1.0 / len(held_out[n])) for n in emotional]),
        )
        heads["general"] = heads["general"].scaled(1.0 / temperature)
        facts["temperature_general"] = round(temperature, 4)
    if stressed:
        slope, shift = fit_platt(
            logits["dreaddit"]["stress"][:, 0], held_out["dreaddit"].targets[:, 1]
        )
        heads["stress"] = heads["stress"].scaled(slope, shift)
        facts["platt_stress"] = [round(slope, 4), round(shift, 4)]
    thresholds: list[float] = []
    if "goemotions" in logits:
        rows, truth = sigmoid(logits["goemotions"]["multilabel"]), held_out["goemotions"].targets
        thresholds = [round(float(cut), 3) for cut in fit_thresholds(rows, truth)]
        facts["macro_f1_with_cross_fitted_thresholds"] = round(
            cross_fitted_macro_f1(rows, truth), 4
        )
    return heads, facts, thresholds
