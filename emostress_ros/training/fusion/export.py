"""A trained fusion network as an ONNX model with its card."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
import yaml

from emostress_ros.affect import EMOTIONS
from emostress_ros.errors import ModelError
from emostress_ros.fusion.evidence import COLUMNS, Layout
from emostress_ros.fusion.learned import INPUTS, OUTPUTS
from emostress_ros.fusion.strategies import STRATEGIES
from emostress_ros.inference.packaged import sha256_of
from emostress_ros.inference.session import Session
from emostress_ros.training.fusion.nets import DeployedFusion
from emostress_ros.training.fusion.pairs import (
    DEFAULT_TERMS,
    EMOTION_DWELL_S,
    STRESS_DWELL_S,
    TERMS,
    Moments,
    Pairs,
)
from emostress_ros.training.fusion.tables import Table

PARITY = 1e-4
VERSION = "1.2.0"
STRESS_MODERATE, STRESS_HIGH = 0.4, 0.7
_MEANING: dict[str, tuple[list[str | int], str]] = {
    "probabilities": (["P", 7], "calibrated, in the order of labels"),
    "valence": (["P"], "expectation of the circumplex under the probabilities, [-1, 1]"),
    "arousal": (["P"], "expectation of the circumplex under the probabilities, [-1, 1]"),
    "valence_deviation": (["P"], "standard deviation of the circumplex under the probabilities"),
    "arousal_deviation": (["P"], "standard deviation of the circumplex under the probabilities"),
    "stress": (["P"], "probability of stress, [0, 1]"),
    "emotion_weights": (["P", "M"], "size of each token's evidence about the emotion, >= 0"),
    "stress_weights": (["P", "M"], "size of each token's evidence about stress, >= 0"),
}


def export(model: DeployedFusion, file: Path, pairs: Pairs, moments: Moments) -> float:
    """Write the ONNX file and check it against torch on real moments.

    Returns:
        greatest deviation of a probability.

    Raises:
        ModelError: the deviation is greater than :data:`PARITY`.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    model.eval()
    inputs = pairs.assemble(moments)
    example = tuple(torch.from_numpy(array[:2]) for array in inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, example, str(file), input_names=list(INPUTS), output_names=list(OUTPUTS),
            dynamic_axes={
                "embeddings": {0: "P"}, "evidence": {0: "P", 1: "M"},
                **{name: {i: axis for i, axis in enumerate(shape) if isinstance(axis, str)}
                   for name, (shape, _) in _MEANING.items()},
            },
            opset_version=17, dynamo=False,
        )  # fmt: skip
    _fold_constants(file)
    with torch.no_grad():
        expected = model(*(torch.from_numpy(array) for array in inputs))
    said = Session(file).run(dict(zip(INPUTS, inputs, strict=True)))
    worst = max(
        float(np.abs(said[name] - rows.numpy()).max())
        for name, rows in zip(OUTPUTS, expected, strict=True)
        if name in ("probabilities", "stress")
    )
    if worst > PARITY:
        raise ModelError(f"{file} deviates by {worst:.2e} from torch; allowed is {PARITY:.0e}")
    return worst


def _fold_constants(file: Path) -> None:
    """Write what follows from the weights alone as constants, in standard operators."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(file)
    ort.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])


def latency_us(file: Path, layout: Layout, repetitions: int = 2000) -> dict[str, float]:
    """Return percentiles of a run for one person with four modalities, one thread, µs."""
    session = Session(file)
    rng = np.random.default_rng(0)
    feed = {
        "embeddings": rng.normal(size=(1, layout.width)).astype(np.float32),
        "evidence": rng.random((1, 4, layout.columns)).astype(np.float32),
    }
    for _ in range(200):
        session.run(feed)
    taken = []
    for _ in range(repetitions):
        began = time.perf_counter()
        session.run(feed)
        taken.append(1e6 * (time.perf_counter() - began))
    return {f"p{p}": round(float(np.percentile(taken, p)), 1) for p in (10, 50, 90)}


def write_card(
    folder: Path,
    strategy: str,
    tables: Mapping[str, Table],
    layout: Layout,
    figures: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
) -> None:
    """Write ``model.yaml`` beside ``model.onnx``.

    Args:
        folder: of the model; its name is the model's.
        strategy: of ``STRATEGIES``.
        tables: what was learned from.
        layout: of the inputs.
        figures: of the card.
        facts: ``reliability``, ``training``, ``calibration``, ``threshold_unknown`` and
            ``measured``.
    """
    width, columns = layout.width, layout.columns
    named = [f"is_{item.name}" for item in layout.known]
    card = {
        "name": folder.name,
        "version": VERSION,
        "modality": "fusion",
        "task": ["emotion", "stress"],
        "file": "model.onnx",
        "sha256": sha256_of(folder / "model.onnx"),
        "labels": list(EMOTIONS),
        "axes": {"M": [1, len(layout.known), 2 * len(layout.known)]},
        "inputs": [
            _tensor("embeddings", ["P", width], preprocessing="vectors of extra.modalities, one "
                    "after the other; zero where absent, or of another encoder"),
            _tensor("evidence", ["P", "M", columns], preprocessing="a token for each modality, in "
                    "any order; columns as in extra.evidence (fusion/evidence.py); an absent "
                    "token is all zero"),
        ],
        "outputs": [_tensor(name, list(_MEANING[name][0]), meaning=_MEANING[name][1])
                    for name in OUTPUTS],
        "calibration": facts["calibration"],
        "reliability": facts["reliability"],
        "threshold_unknown": facts["threshold_unknown"],
        "licence": "weights: non-commercial research (RAVDESS is CC BY-NC-SA 4.0, WESAD academic, "
                   "Dreaddit for research)",
        "data": [
            {"name": name, "encoder": table.model, "items": len(table),
             "persons": len(set(table.person.tolist())), "kinds": list(table.kinds)}
            for name, table in tables.items()
        ],
        "training": facts["training"],
        "figures": [dict(figure) for figure in figures],
        "limits": list(LIMITS),
        "extra": {
            "strategy": strategy,
            "does": STRATEGIES[strategy],
            "modalities": [{"name": item.name, "embedding_dim": item.width,
                            "models": list(item.models)} for item in layout.known],
            "evidence": [*COLUMNS, *named],
            "terms": {
                "modalities": {name: asdict(terms) for name, terms in TERMS.items()},
                "default": asdict(DEFAULT_TERMS),
                "stress_moderate": STRESS_MODERATE,
                "stress_high": STRESS_HIGH,
            },
            "dwell_s": {"emotion": EMOTION_DWELL_S, "stress": STRESS_DWELL_S},
            "measured": facts["measured"],
        },
    }  # fmt: skip
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=98)
    (folder / "model.yaml").write_text(text, encoding="utf-8")


def _tensor(name: str, shape: list[str | int], **more: str) -> dict[str, Any]:
    return {"name": name, "dtype": "float32", "shape": shape, **more}


LIMITS = (
    "Learned and measured on samples of different people paired by label: no set at hand has all "
    "four modalities of one person. Errors of different people are independent, those of one "
    "person are not: the gain over the best single modality is an upper bound.",
    "Face and voice carry no labels of stress at hand: stress rests on physiology and text alone.",
    "Physiology carries no labels of emotion at hand: it does not speak of the emotion.",
    "Valence and arousal follow from the fused emotion; no rated values were learned from.",
    "A modality that the model does not know counts by its probabilities, quality and age alone, "
    "and so does a known modality whose encoder is another than the one learned from.",
)
