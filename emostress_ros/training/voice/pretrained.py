"""Start weights of the voice encoder, read from the pip package ``moonshine-voice``.

The package is needed to train alone; the trained model stands by itself.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from emostress_ros.errors import MissingExtraError
from emostress_ros.inference.packaged import packaged_file
from emostress_ros.training.voice.net import Block, Stem

SOURCE = {
    "distribution": "moonshine-voice",
    "path": "moonshine_voice/assets/tiny-en/encoder_model.ort",
    "sha256": "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
    "pip": "pip install --no-deps moonshine-voice==0.0.73",
}
"""Moonshine tiny-en, encoder; copyright Moonshine AI, MIT licence."""

_MATMULS = {
    "query": "self_attn/q_proj",
    "key": "self_attn/k_proj",
    "value": "self_attn/v_proj",
    "out": "self_attn/o_proj",
    "expand": "mlp/fc1",
    "contract": "mlp/fc2",
}
_VECTORS = {
    "norm1.weight": "input_layernorm.weight",
    "norm2.weight": "post_attention_layernorm.weight",
    "expand.bias": "mlp.fc1.bias",
    "contract.bias": "mlp.fc2.bias",
}


def load_pretrained(stem: Stem, blocks: list[Block], file: Path | None = None) -> None:
    """Fill a stem and the first blocks with the start weights, in place.

    Args:
        stem: its four layers are filled.
        blocks: at most six.
        file: the encoder's file; that of the installed package when not given.

    Raises:
        ModelNotFoundError: the package is not installed; names the command that mends it.
        MissingExtraError: the package ``onnx`` is not installed.
    """
    import torch

    weights, inputs_of = _read(file or packaged_file(**SOURCE))
    state = {
        "conv1.weight": weights["conv1.weight_add_tensor"],
        "norm.weight": weights[inputs_of["/groupnorm/Mul"][1]].ravel(),
        "norm.bias": weights[inputs_of["/groupnorm/Add"][1]].ravel(),
        "conv2.weight": weights["conv2.weight_add_tensor"],
        "conv2.bias": weights["conv2.bias"],
        "conv3.weight": weights["conv3.weight_add_tensor"],
        "conv3.bias": weights["conv3.bias"],
    }
    stem.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
    for index, block in enumerate(blocks):
        state = {key: weights[f"layers.{index}.{name}"] for key, name in _VECTORS.items()}
        for key, name in _MATMULS.items():
            names = inputs_of[f"/layers.{index}/{name}/MatMul_quant"]
            state[f"{key}.weight"] = _dequantise(weights, names[1]).T
        state["norm1.bias"] = state["norm2.bias"] = np.zeros(stem.norm.num_channels, np.float32)
        block.load_state_dict({key: torch.tensor(value) for key, value in state.items()})


def _read(file: Path) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    # ONNX Runtime writes its own format back as ONNX, which can be read tensor by tensor.
    import onnxruntime as ort

    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        hint = "pip install 'emostress_ros[train]'"
        raise MissingExtraError(f"training needs the package onnx: {hint}") from error
    with tempfile.TemporaryDirectory() as folder:
        converted = str(Path(folder) / "encoder.onnx")
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.optimized_model_filepath = converted
        options.add_session_config_entry("session.save_model_format", "ONNX")
        options.log_severity_level = 3
        ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        graph = onnx.load(converted).graph
    weights = {item.name: numpy_helper.to_array(item).copy() for item in graph.initializer}
    return weights, {node.name: list(node.input) for node in graph.node}


def _dequantise(weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    base = name.removesuffix("_quantized")
    centred = weights[name].astype(np.float32) - weights[f"{base}_zero_point"].astype(np.float32)
    return np.asarray(centred * weights[f"{base}_scale"], dtype=np.float32)
