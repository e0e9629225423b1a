"""Calibrate a trained face network, export it to ONNX, check parity, write its card.

Temperature scaling: Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emostress_ros.affect import CIRCUMPLEX
from emostress_ros.errors import DatasetError
from emostress_ros.inference import Session
from emostress_ros.training import common
from emostress_ros.training.calibrate import fit_temperature, unknown_threshold
from emostress_ros.training.datasets.fer2013 import LABELS
from emostress_ros.training.face.card import WIRE, add_figures, build_card, write_card
from emostress_ros.training.half_storage import fold_norms, round_weights

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
        net: a trained :class:`~emostress_ros.training.face.nets.FaceNet`.
        options: those of the training.
        faces: (N, 1, 48, 48) uint8 held-out training faces.
        emotion: (N, 7) their label distributions.
        ferplus: (N, 8) likewise for FER+.
    """
    net = net.cpu().float().eval().to(memory_format=torch.contiguous_format)
    if options.half:
        fold_norms(net)
        round_weights(net)
    raw = Deployed(net, (1.0, 1.0), options.flip)
    answers = [raw(part) for part in faces.cpu().split(512)]
    embedding = torch.cat([answer[0] for answer in answers])
    heads = ((net.emotion, emotion), (net.ferplus, ferplus))
    temperatures = tuple(
        fit_temperature(_majority(targets), torch.softmax(head(embedding).double(), 1).numpy())
        for head, targets in heads
    )
    deployed = Deployed(net, (temperatures[0], temperatures[1]), options.flip).eval()
    folder = options.out or Path("models") / f"face_{options.arch}"
    folder.mkdir(parents=True, exist_ok=True)
    _write_onnx(deployed, folder / "model.onnx", faces[:8].cpu(), half=options.half)
    probabilities = torch.cat([deployed(part)[1] for part in faces.cpu().split(512)]).numpy()
    known = emotion.sum(1) > 0
    right = probabilities[known].argmax(1) == emotion[known].argmax(1)
    threshold = unknown_threshold(probabilities[known].max(1), right, len(LABELS))
    card = build_card(net, options, folder, temperatures, len(faces), threshold)
    write_card(folder, card)
    add_figures(folder, card, options.data)
    return folder


def _majority(targets: np.ndarray) -> np.ndarray:
    """Put all mass of (N, K) distributions on their first label, as figures are judged by it."""
    hard = np.eye(targets.shape[1], dtype=targets.dtype)[targets.argmax(1)]
    return np.asarray(hard * (targets.sum(1, keepdims=True) > 0))


def _write_onnx(deployed: Deployed, path: Path, sample: Tensor, *, half: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            deployed, (sample[:2],), str(path), opset_version=17, dynamo=False,
            input_names=["face"], output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "N"} for name in ("face", *OUTPUTS)},
        )  # fmt: skip
    if half:
        import onnx

        from emostress_ros.training.compress import halve

        onnx.save(halve(onnx.load(str(path))), str(path))
    session = Session(path)
    for batch in (sample, sample[:1]):
        answers = session.run({"face": batch.numpy()})
        for name, expected in zip(OUTPUTS, deployed(batch), strict=True):
            error = float(np.abs(answers[name] - expected.numpy()).max())
            limit = PARITY * max(1.0, float(expected.abs().max()))
            if error > limit:
                raise DatasetError(f"ONNX output '{name}' is off by {error:.2e} (> {limit:.0e})")


def plot(folder: Path, picture: Path, title: str) -> None:
    """Draw the curves of a run's ``log.csv``."""
    panels = {
        "cross-entropy (training: both heads, augmented)": ["training_loss", "validation_loss"],
        "held-out training faces": ["accuracy", "uar", "ferplus_accuracy"],
    }
    columns = common.CsvLog(folder / "log.csv", resume=True).read()
    common.plot_curves(columns, panels, title, picture)
