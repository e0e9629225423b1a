"""Teach the last layer of an int8 network what float32 would have said.

Rounding weights and activations shifts the features that the last layer sees, alike for all inputs
of a kind.  The shift is taken out where it is cheapest: the matrix that makes the embedding is
fitted anew, by ridge regression from the features of the int8 network to the embedding of the
float32 one, on inputs of the training.  The correction of a bias alone (Nagel et al., "Data-free
quantization through weight equalization and bias correction", ICCV 2019) is its simplest case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from emostress_ros.inference.session import Session

Feed = Mapping[str, npt.NDArray[Any]]
FloatArray = npt.NDArray[np.float64]

OUTPUT = "embedding"
PENALTY = 0.1
"""Weight of the old matrix, in mean variances of a feature."""
_BATCH = 64


def refit_embedding(model: Path, reference: Path, feeds: Sequence[Feed]) -> bool:
    """Fit the matrix behind a model's embedding anew, in its file.

    Args:
        model: file of the int8 network.
        reference: file of the float32 network.
        feeds: inputs from the training people, never from those the model is judged on.

    Returns:
        False, and nothing is changed, where no matrix of float32 with a bias (Gemm) makes the
        embedding.
    """
    network = onnx.load(str(model))
    last = _last_gemm(network)
    if last is None:
        return False
    features = last.input[0]
    network.graph.output.append(helper.make_tensor_value_info(features, TensorProto.FLOAT, None))
    seen = _outputs(network.SerializeToString(), (features, OUTPUT), feeds)
    (wanted,) = _outputs(reference.read_bytes(), (OUTPUT,), feeds)
    change, shift = ridge(seen[0], wanted - seen[1], PENALTY)
    network.graph.output.pop()
    turned = any(item.name == "transB" and item.i for item in last.attribute)
    _add(network, last.input[1], change.T if turned else change)
    _add(network, last.input[2], shift)
    onnx.save(network, str(model))
    return True


def ridge(
    features: npt.NDArray[np.floating], wanted: npt.NDArray[np.floating], penalty: float
) -> tuple[FloatArray, FloatArray]:
    """Return the matrix (D, K) and the shift (K,) that best make ``wanted`` of ``features``.

    Args:
        features: (N, D).
        wanted: (N, K).
        penalty: on the matrix, in mean variances of a feature; nothing is on the shift.
    """
    x, y = features.astype(np.float64), wanted.astype(np.float64)
    middle, mean = x.mean(axis=0), y.mean(axis=0)
    spread = (x - middle).T @ (x - middle) / len(x)
    spread[np.diag_indices_from(spread)] += penalty * max(np.trace(spread) / len(spread), 1e-12)
    matrix = np.linalg.solve(spread, (x - middle).T @ (y - mean) / len(x))
    return matrix, mean - middle @ matrix


def _last_gemm(network: onnx.ModelProto) -> onnx.NodeProto | None:
    known = {item.name for item in network.graph.initializer}
    for node in network.graph.node:
        whole = node.op_type == "Gemm" and OUTPUT in node.output and len(node.input) == 3
        if whole and set(node.input[1:]) <= known:
            return node
    return None


def _outputs(model: bytes, names: Sequence[str], feeds: Sequence[Feed]) -> list[FloatArray]:
    session = Session(model)
    found = []
    for first in range(0, len(feeds), _BATCH):
        part = feeds[first : first + _BATCH]
        together = {name: np.concatenate([feed[name] for feed in part]) for name in part[0]}
        answers = session.run(together)
        found.append([answers[name] for name in names])
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _add(network: onnx.ModelProto, name: str, change: FloatArray) -> None:
    tensor = next(item for item in network.graph.initializer if item.name == name)
    value = numpy_helper.to_array(tensor) + change
    tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))
