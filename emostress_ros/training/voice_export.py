"""The trained voice network as one ONNX file with everything baked in."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emostress_ros.affect import CIRCUMPLEX
from emostress_ros.errors import MissingExtraError, ModelError
from emostress_ros.inference.session import Session
from emostress_ros.modalities.voice.pitch import PROSODY_COLUMNS
from emostress_ros.training.voice_net import BANDS, VoiceNet

PARITY = 1e-4
"""Greatest deviation of a probability between torch and ONNX Runtime that is let through."""
_LEAST_HALVED = 1024


class DeployedVoiceNet(nn.Module):
    """Speech to embedding, calibrated probabilities, valence and arousal.

    Args:
        net: trained network.
        labels: K labels, keys of the circumplex under their wire names.
        temperature: divides the log-probabilities (Guo et al., ICML 2017).
    """

    def __init__(self, net: VoiceNet, labels: tuple[str, ...], temperature: float) -> None:
        super().__init__()
        self.net = copy.deepcopy(net)
        self.temperature = temperature
        points = torch.tensor([CIRCUMPLEX[label] for label in labels], dtype=torch.float32)
        self.register_buffer("circumplex", points)

    def forward(
        self, waveform: Tensor, log_mel: Tensor, prosody: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Map the inputs of :class:`VoiceNet` to embedding, probabilities, valence, arousal."""
        embedding, logarithm = self.net(waveform, log_mel, prosody)
        probabilities = (logarithm / self.temperature).softmax(-1)
        valence, arousal = (probabilities @ self.circumplex).unbind(-1)
        return embedding, probabilities, valence, arousal


def export(model: DeployedVoiceNet, file: Path) -> float:
    """Round the weights to half precision, write the ONNX file, and check it against torch.

    Half-precision weights halve the file; they are cast once, when the model is loaded, so that
    it computes in single precision.

    Returns:
        greatest deviation of a probability.

    Raises:
        ModelError: the deviation is greater than :data:`PARITY`.
    """
    model.eval()
    _round_weights(model)
    torch.onnx.export(
        model,
        tuple(torch.from_numpy(array) for array in _noise(24_000).values()),
        str(file),
        input_names=["waveform", "log_mel", "prosody"],
        output_names=["embedding", "probabilities", "valence", "arousal"],
        dynamic_axes={
            "waveform": {0: "N", 1: "S"},
            "log_mel": {0: "N", 1: "T"},
            "prosody": {0: "N", 1: "P"},
            **{name: {0: "N"} for name in ("embedding", "probabilities", "valence", "arousal")},
        },
        opset_version=17,
        dynamo=False,
    )
    _halve(file)
    return _check_parity(model, file)


def _round_weights(model: nn.Module) -> None:
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.dtype == torch.float32 and tensor.numel() >= _LEAST_HALVED:
                tensor.copy_(tensor.half().float())


def _halve(file: Path) -> None:
    try:
        import onnx
        from onnx import helper, numpy_helper
    except ImportError as error:
        raise MissingExtraError("export needs onnx: pip install 'emostress_ros[train]'") from error
    model = onnx.load(str(file))
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _LEAST_HALVED:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(file))


def _check_parity(model: DeployedVoiceNet, file: Path) -> float:
    session, worst = Session(file), 0.0
    for length in (9_600, 31_111, 64_000):
        feed = _noise(length)
        with torch.no_grad():
            expected = model(*(torch.from_numpy(array) for array in feed.values()))[1].numpy()
        worst = max(worst, float(np.abs(session.run(feed)["probabilities"] - expected).max()))
    if worst > PARITY:
        raise ModelError(f"{file} deviates by {worst:.2e} from torch; allowed is {PARITY:.0e}")
    return worst


def _noise(length: int) -> dict[str, np.ndarray]:
    """Return two clips of ``length`` samples of noise, every input as the front end makes it."""
    rng = np.random.default_rng(length)
    frames = length // 160 - 4
    found = {
        "waveform": rng.normal(0.0, 0.1, (2, length)),
        "log_mel": rng.normal(-40.0, 10.0, (2, frames, BANDS)),
        "prosody": np.abs(rng.normal(0.5, 0.2, (2, frames - 1, len(PROSODY_COLUMNS)))),
    }
    return {name: np.asarray(array, dtype=np.float32) for name, array in found.items()}
