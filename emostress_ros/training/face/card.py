"""The card of a face model: what is known of the run, and figures from the shipped file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from emostress_ros.errors import DatasetError
from emostress_ros.inference import ModelCard
from emostress_ros.inference.packaged import sha256_of
from emostress_ros.training.datasets import fer2013
from emostress_ros.training.datasets.fer2013 import FERPLUS_LABELS, LABELS, SIDE
from emostress_ros.training.face import nets as face_nets
from emostress_ros.training.face.evaluate import DATASETS, evaluate
from emostress_ros.training.face.recipe import recognition_data, run_folder, training_of

WIRE = {
    "angry": "angry",
    "disgust": "disgusted",
    "fear": "scared",
    "happy": "happy",
    "sad": "sad",
    "surprise": "surprised",
    "neutral": "neutral",
}
"""FER2013's labels under their names on the wire."""


def build_card(
    net: nn.Module,
    options: argparse.Namespace,
    folder: Path,
    temperatures: tuple[float, ...],
    calibration_faces: int,
    threshold: float,
) -> dict[str, Any]:
    """Return the card without its figures.

    Args:
        net: the trained network.
        options: those of the training.
        folder: where ``model.onnx`` lies.
        temperatures: of the two heads.
        calibration_faces: how many faces they were fitted on.
        threshold: confidence under which the answer is *unknown*.
    """
    recognition = recognition_data(options)
    also = "; the start weights were learned from VGGFace2 (research)" if recognition else ""
    flip = " Face and mirrored face are averaged inside the model." if options.flip else ""
    return {
        "name": folder.name,
        "version": "1.0.0",
        "modality": "face",
        "task": ["emotion"],
        "file": "model.onnx",
        "sha256": sha256_of(folder / "model.onnx"),
        "labels": list(LABELS),
        "label_map": WIRE,
        "embedding_dim": face_nets.EMBEDDING_DIM,
        "inputs": [
            {
                "name": "face",
                "dtype": "uint8",
                "shape": ["N", 1, SIDE, SIDE],
                "preprocessing": "grey face in FER2013's framing (modalities/face/alignment.py); "
                "standardisation by each image's own mean and deviation is inside the model."
                + flip,
            }
        ],
        "outputs": _outputs(),
        "calibration": {
            "method": "temperature",
            "temperature": round(temperatures[0], 4),
            "temperature_ferplus": round(temperatures[1], 4),
            "fitted_on": f"{calibration_faces} FER2013 Training faces that were not trained on",
        },
        "reliability": {"emotion": None, "stress": None},
        "threshold_unknown": round(threshold, 3),
        "licence": "weights: research use only, as FER2013 states no licence for its images" + also,
        "data": _data() + recognition,
        "training": training_of(net, options, run_folder(options) / "log.csv"),
        "figures": [],
        "limits": [
            "FER2013 is web photographs of posed and acted faces, labelled by few people; human "
            "agreement with its labels is about 65 % (Goodfellow et al. 2013).",
            "An expression is not a feeling: the output says what a face shows.",
            "FER2013 names no persons: its official division is one of pictures, so the figures on "
            "PublicTest are those of a random split (but for exact and near duplicates, which are "
            "not learned from); people may be on both sides, and a person-disjoint figure cannot "
            "be had from this set.",
            "Disgust is rare (1.5 % of the faces); fear is often taken for sadness or surprise.",
            "Valence and arousal are expectations under the class probabilities, not regressed.",
        ],
    }


def _outputs() -> list[dict[str, Any]]:
    meanings = (
        ("embedding", ["N", face_nets.EMBEDDING_DIM], "input of both linear heads"),
        ("probabilities", ["N", len(LABELS)], "calibrated, in the order of labels"),
        ("ferplus_probabilities", ["N", len(FERPLUS_LABELS)], ", ".join(FERPLUS_LABELS)),
        ("valence", ["N"], "expectation under the probabilities (affect.CIRCUMPLEX)"),
        ("arousal", ["N"], "expectation under the probabilities (affect.CIRCUMPLEX)"),
    )
    return [
        {"name": name, "dtype": "float32", "shape": shape, "meaning": meaning}
        for name, shape, meaning in meanings
    ]


def _data() -> list[dict[str, str]]:
    return [
        {
            "name": "FER2013 (Goodfellow et al., ICONIP 2013)",
            "licence": "none stated; research use",
            "persons": "not identified",
            "use": "Training: training and calibration; PublicTest: figures",
        },
        {
            "name": "FER+ votes (Barsoum et al., ICMI 2016)",
            "licence": "MIT (labels)",
            "persons": "not identified",
            "use": "second head of the training: the raters' label distribution",
        },
    ]


def add_figures(folder: Path, card: dict[str, Any], data: Path) -> None:
    """Score the shipped file and write what it reaches into its card."""
    faces = fer2013.held_out(fer2013.load(data), None)
    shipped = ModelCard.load(folder.resolve())
    for dataset in DATASETS:
        try:
            scored = evaluate(dataset, shipped, faces)
        except DatasetError as error:
            print(f"no figure for {dataset}: {error}")
            continue
        card["figures"] += _figures(dataset, scored.to_json_dict())
        if dataset == "fer2013":
            chance = 1 / len(LABELS)
            skill = max(0.0, (scored.uar - chance) / (1 - chance))
            card["reliability"]["emotion"] = round(skill, 4)
    write_card(folder, card)


def _figures(dataset: str, scored: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the figure of the whole split, then those of its slices."""
    about = {
        "dataset": dataset,
        "split": scored["split"],
        "persons": None,
        "note": scored["note"],
        "command": f"emostress score face {dataset} DIR --split {scored['split'].lower()}",
    }
    parts = {(): scored} | {("slices", name): part for name, part in scored["slices"].items()}
    return [
        about
        | ({"part": list(where)} if where else {})
        | {"n": part["n"], "metrics": _rounded(part), "ci95": _intervals(part)}
        for where, part in parts.items()
    ]


def _rounded(part: Mapping[str, Any]) -> dict[str, float]:
    names = ("accuracy", "uar", "macro_f1", "weighted_f1", "ece", "recall")
    return {name: round(part[name], 4) for name in names if name in part}


def _intervals(part: Mapping[str, Any]) -> dict[str, list[float]]:
    return {
        name: [round(limit, 4) for limit in limits]
        for name, limits in (part.get("ci95") or {}).items()
        if name in part
    }


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write ``model.yaml``."""
    text = yaml.safe_dump(dict(card), sort_keys=False, allow_unicode=True, width=96)
    (folder / "model.yaml").write_text(text, encoding="utf-8")
