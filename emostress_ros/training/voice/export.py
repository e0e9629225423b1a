"""The trained voice network as one ONNX file with everything baked in."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from emostress_ros.affect import CIRCUMPLEX
from emostress_ros.errors import ModelError
from emostress_ros.inference.session import Session
from emostress_ros.modalities.voice.pitch import PROSODY_COLUMNS
from emostress_ros.training.compress import LEAST_SIZE, halve
from emostress_ros.training.voice.net import BANDS

PARITY = 1e-4
"""Greatest deviation of a probability between torch and ONNX Runtime that is let through."""


class DeployedVoiceNet(nn.Module):
    """Speech to embedding, calibrated probabilities, valence and arousal.

    Args:
        net: trained network; takes the model's inputs, gives embedding and log-probabilities.
        labels: K labels, keys of the circumplex under their wire names.
        temperature: divides the log-probabilities (Guo et al., ICML 2017).
    """

    def __init__(self, net: nn.Module, labels: tuple[str, ...], temperature: float) -> None:
        super().__init__()
        self.net = copy.deepcopy(net)
        self.temperature = temperature
        points = torch.tensor([CIRCUMPLEX[label] for label in labels], dtype=torch.float32)
        self.register_buffer("circumplex", points)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Map the network's inputs to embedding, probabilities, valence, arousal."""
        embedding, logarithm = self.net(*inputs)
        probabilities = (logarithm / self.temperature).softmax(-1)
        valence, arousal = (probabilities @ self.circumplex).unbind(-1)
        return embedding, probabilities, valence, arousal


INPUTS = ("waveform", "log_mel", "prosody")
"""What the shipped network takes, in this order."""


def export(
    model: DeployedVoiceNet, file: Path, inputs: tuple[str, ...] = INPUTS, *, batch: str = "N"
) -> float:
    """Round the weights to half precision, write the ONNX file, and check it against torch.

    Half-precision weights halve the file; they are cast once, when the model is loaded, so that
    it computes in single precision.

    Args:
        model: what to export.
        file: to write.
        inputs: names of what the network takes, of :data:`INPUTS`.
        batch: ``N`` for any number of stretches at once, ``1`` for a recurrent network.

    Returns:
        greatest deviation of a probability.

    Raises:
        ModelError: the deviation is greater than :data:`PARITY`.
    """
    model.eval()
    _round_weights(model)
    stretches = 1 if batch == "1" else 2
    first = {0: "N"} if stretches > 1 else {}
    outputs = ("embedding", "probabilities", "valence", "arousal")
    torch.onnx.export(
        model,
        tuple(torch.from_numpy(_noise(24_000, stretches)[name]) for name in inputs),
        str(file),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_axes={
            **{name: {**first, 1: axis} for name, axis in _AXES.items() if name in inputs},
            **{name: first for name in outputs if first},
        },
        opset_version=17,
        dynamo=False,
    )
    onnx.save(halve(onnx.load(str(file))), str(file))
    return _check_parity(model, file, inputs, stretches)


_AXES = {"waveform": "S", "log_mel": "T", "prosody": "P"}


def _round_weights(model: nn.Module) -> None:
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.dtype == torch.float32 and tensor.numel() >= LEAST_SIZE:
                tensor.copy_(tensor.half().float())


def _check_parity(
    model: DeployedVoiceNet, file: Path, inputs: tuple[str, ...], stretches: int
) -> float:
    session, worst = Session(file), 0.0
    for length in (9_600, 31_111, 64_000):
        feed = {name: array for name, array in _noise(length, stretches).items() if name in inputs}
        with torch.no_grad():
            expected = model(*(torch.from_numpy(array) for array in feed.values()))[1].numpy()
        worst = max(worst, float(np.abs(session.run(feed)["probabilities"] - expected).max()))
    if worst > PARITY:
        raise ModelError(f"{file} deviates by {worst:.2e} from torch; allowed is {PARITY:.0e}")
    return worst


def _noise(length: int, stretches: int = 2) -> dict[str, np.ndarray]:
    """Return clips of ``length`` samples of noise, every input as the front end makes it."""
    rng = np.random.default_rng(length)
    frames = length // 160 - 4
    found = {
        "waveform": rng.normal(0.0, 0.1, (stretches, length)),
        "log_mel": rng.normal(-40.0, 10.0, (stretches, frames, BANDS)),
        "prosody": np.abs(rng.normal(0.5, 0.2, (stretches, frames - 1, len(PROSODY_COLUMNS)))),
    }
    return {name: np.asarray(array, dtype=np.float32) for name, array in found.items()}
