"""Calibrate a trained face network, export it to ONNX, check parity, write its card.

Temperature scaling: Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from emostress_ros.affect import CIRCUMPLEX
from emostress_ros.errors import DatasetError
from emostress_ros.inference import ModelCard, Session
from emostress_ros.inference.packaged import sha256_of
from emostress_ros.training import common, face_nets
from emostress_ros.training.datasets import fer2013
from emostress_ros.training.datasets.fer2013 import FERPLUS_LABELS, LABELS, SIDE
from emostress_ros.training.face_evaluate import DATASETS, evaluate

WIRE = {
    "angry": "angry",
    "disgust": "disgusted",
    "fear": "scared",
    "happy": "happy",
    "sad": "sad",
    "surprise": "surprised",
    "neutral": "neutral",
}
PARITY = 1e-4


class Deployed(nn.Module):
    """What is shipped: grey bytes in; embedding, calibrated probabilities and circumplex out."""

    def __init__(self, net: nn.Module, temperatures: tuple[float, float], flip: bool) -> None:
        super().__init__()
        self.net, self.flip = net, flip
        self.temperatures = temperatures
        points = [CIRCUMPLEX[WIRE[label]] for label in LABELS]
        self.register_buffer("circumplex", torch.tensor(points, dtype=torch.float32))

    def forward(self, face: Tensor) -> tuple[Tensor, ...]:
        """(N, 1, 48, 48) uint8 to embedding, probabilities, ferplus, valence, arousal."""
        levels = face.float()
        embedding = self.net.embed(levels)
        if self.flip:
            mirrored = self.net.embed(torch.flip(levels, (3,)))
            embedding = (embedding + mirrored) / 2
        emotion = torch.softmax(self.net.emotion(embedding) / self.temperatures[0], 1)
        ferplus = torch.softmax(self.net.ferplus(embedding) / self.temperatures[1], 1)
        circumplex = emotion @ self.circumplex
        return embedding, emotion, ferplus, circumplex[:, 0], circumplex[:, 1]


OUTPUTS = ("embedding", "probabilities", "ferplus_probabilities", "valence", "arousal")


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the temperature that minimises the cross-entropy on held-out faces.

    Args:
        logits: (N, K).
        targets: (N, K) label distributions; rows of zeros do not count.
    """
    rows = targets.sum(1) > 0
    scores, wanted = logits[rows].astype(np.float64), targets[rows]

    def loss(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        scaled -= scaled.max(1, keepdims=True)
        return float(-(wanted * (scaled - np.log(np.exp(scaled).sum(1, keepdims=True)))).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))


def unknown_threshold(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return the confidence below which answers are right less often than not."""
    order = np.argsort(confidence)
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    below = np.flatnonzero(share < 0.5)
    return float(confidence[order][below[-1]]) if len(below) else 0.0


@torch.no_grad()
def export(
    net: nn.Module,
    options: argparse.Namespace,
    faces: Tensor,
    emotion: np.ndarray,
    ferplus: np.ndarray,
) -> Path:
    """Write ``model.onnx`` and ``model.yaml``; return the folder.

    Args:
        net: a trained :class:`~emostress_ros.training.face_nets.FaceNet`.
        options: those of the training.
        faces: (N, 1, 48, 48) uint8 held-out training faces.
        emotion: (N, 7) their label distributions.
        ferplus: (N, 8) likewise for FER+.
    """
    net = net.cpu().float().eval().to(memory_format=torch.contiguous_format)
    raw = Deployed(net, (1.0, 1.0), options.flip)
    answers = [raw(part) for part in faces.cpu().split(512)]
    embedding = torch.cat([answer[0] for answer in answers])
    heads = ((net.emotion, emotion), (net.ferplus, ferplus))
    temperatures = tuple(
        fit_temperature(head(embedding).numpy(), targets) for head, targets in heads
    )
    deployed = Deployed(net, (temperatures[0], temperatures[1]), options.flip).eval()
    folder = options.out or Path("models") / f"face_{options.arch}"
    folder.mkdir(parents=True, exist_ok=True)
    _write_onnx(deployed, folder / "model.onnx", faces[:8].cpu())
    probabilities = torch.cat([deployed(part)[1] for part in faces.cpu().split(512)]).numpy()
    known = emotion.sum(1) > 0
    right = probabilities[known].argmax(1) == emotion[known].argmax(1)
    threshold = unknown_threshold(probabilities[known].max(1), right)
    card = _card(net, options, folder, temperatures, len(faces), threshold)
    _write_card(folder, card)
    _add_figures(folder, card, options.data)
    return folder


def _write_onnx(deployed: Deployed, path: Path, sample: Tensor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            deployed, (sample[:2],), str(path), opset_version=17, dynamo=False,
            input_names=["face"], output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "N"} for name in ("face", *OUTPUTS)},
        )  # fmt: skip
    session = Session(path)
    for batch in (sample, sample[:1]):
        answers = session.run({"face": batch.numpy()})
        for name, expected in zip(OUTPUTS, deployed(batch), strict=True):
            error = float(np.abs(answers[name] - expected.numpy()).max())
            limit = PARITY * max(1.0, float(expected.abs().max()))
            if error > limit:
                raise DatasetError(f"ONNX output '{name}' is off by {error:.2e} (> {limit:.0e})")


def _card(
    net: nn.Module,
    options: argparse.Namespace,
    folder: Path,
    temperatures: tuple[float, ...],
    calibration_faces: int,
    threshold: float,
) -> dict[str, Any]:
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
        "licence": "weights: research use only, as FER2013 states no licence for its images",
        "data": _data(),
        "training": {
            "command": _command(options),
            "seed": options.seed,
            "split": "FER2013 usage Training; 8 % of it held out for calibration; exact and near "
            "duplicates of PublicTest and of the held-out part dropped",
            "architecture": options.arch,
            "parameters": face_nets.parameter_count(net),
        },
        "figures": [],
        "limits": [
            "FER2013 is web photographs of posed and acted faces, labelled by few people; human "
            "agreement with its labels is about 65 % (Goodfellow et al. 2013).",
            "An expression is not a feeling: the output says what a face shows.",
            "It has no person ids: people may occur in both Training and PublicTest.",
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


def _command(options: argparse.Namespace) -> str:
    length = f"--minutes {options.minutes:g}" if options.minutes else f"--epochs {options.epochs}"
    flip = " --flip" if options.flip else ""
    return (
        f"emostress train face --data DIR --arch {options.arch} {length} --batch {options.batch} "
        f"--lr {options.lr:g} --seed {options.seed}{flip}"
    )


def _add_figures(folder: Path, card: dict[str, Any], data: Path) -> None:
    """Score the shipped file and write what it reaches into its card."""
    faces = fer2013.held_out(fer2013.load(data), None)
    shipped = ModelCard.load(folder.resolve())
    for dataset in DATASETS:
        try:
            scored = evaluate(dataset, shipped, faces)
        except DatasetError as error:
            print(f"no figure for {dataset}: {error}")
            continue
        card["figures"].append(_figure(dataset, scored.to_json_dict()))
        if dataset == "fer2013":
            chance = 1 / len(LABELS)
            skill = max(0.0, (scored.uar - chance) / (1 - chance))
            card["reliability"]["emotion"] = round(skill, 4)
    _write_card(folder, card)


def _figure(dataset: str, scored: Mapping[str, Any]) -> dict[str, Any]:
    names = ("accuracy", "uar", "macro_f1", "weighted_f1", "ece")
    return {
        "dataset": dataset,
        "split": scored["split"],
        "n": scored["n"],
        "persons": None,
        "metrics": {name: round(scored[name], 4) for name in names},
        "ci95": {
            name: [round(limit, 4) for limit in limits]
            for name, limits in scored.get("ci95", {}).items()
        },
        "note": scored["note"],
        "command": f"emostress score face {dataset} DIR --split {scored['split'].lower()}",
    }


def _write_card(folder: Path, card: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(card), sort_keys=False, allow_unicode=True, width=96)
    (folder / "model.yaml").write_text(text, encoding="utf-8")


def plot(folder: Path, picture: Path, title: str) -> None:
    """Draw the curves of a run's ``log.csv``."""
    panels = {
        "cross-entropy": ["training_loss", "validation_loss"],
        "held-out training faces": ["accuracy", "uar", "ferplus_accuracy"],
    }
    columns = common.CsvLog(folder / "log.csv", resume=True).read()
    common.plot_curves(columns, panels, title, picture)
