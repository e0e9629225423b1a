"""What a model has to become before TensorRT takes it in the precision that is wanted.

TensorRT quantises symmetrically, to int8 alone, and leaves biases in floats; ONNX Runtime's CPU
kernels want uint8 activations and int32 biases.  The two describe the same network but for the
eighth bit of the activations: uint8 steps from 0 become int8 steps of twice the size, after a ReLU,
because uint8 cuts off what is negative, so that `emostress compress` leaves the ReLU out.

Weakly typed networks, which take their precision from flags, are gone with TensorRT 11 (NVIDIA,
*Migrating from TensorRT 10.x to 11.x*): half precision has to stand in the model.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from emostress_ros.errors import ProviderError
from emostress_ros.inference.native.runtime import STRONG

_STEPS = 255 / 127  # of uint8 to those of int8 over the same range from 0


def prepared(model: bytes, precision: str, major: int) -> bytes:
    """Return the model as TensorRT is to read it.

    Args:
        model: an ONNX file.
        precision: ``fp32``, ``fp16``, or ``int8`` with a model that has quantisation scales.
        major: TensorRT's major version.

    Raises:
        ProviderError: the model's quantisation is not symmetric, or the package `onnx`, which
            rewrites it, is missing.
    """
    if precision == "int8":
        return _symmetric(model)
    if precision == "fp16" and major >= STRONG:
        return _halved(model, major)
    return model


def _halved(model: bytes, major: int) -> bytes:
    why = f"TensorRT {major} takes half precision from the model alone"
    onnx = _needed("onnx", why)
    float16 = _needed("onnxruntime.transformers.float16", why)
    # Inputs and outputs stay as the card has them.
    half = float16.convert_float_to_float16(onnx.load_from_string(model), keep_io_types=True)
    return bytes(half.SerializeToString())


def _symmetric(model: bytes) -> bytes:
    onnx = _needed("onnx", "an int8 model has to be rewritten for TensorRT")
    loaded = onnx.load_from_string(model)
    graph, arrays = loaded.graph, onnx.numpy_helper
    constants = {item.name: item for item in graph.initializer}
    signed: dict[str, Any] = {}
    for node in list(graph.node):
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        value, scale, zero = (_array(arrays, constants, name) for name in _padded(node.input))
        if zero is not None and zero.any():
            raise ProviderError(
                f"'{node.name or node.op_type}' has a zero point other than 0, and TensorRT "
                "quantises symmetrically alone"
            )
        kind = next((item.dtype for item in (value, zero) if item is not None), np.uint8)
        if kind == np.int32:
            _fold(graph, arrays, node, value, scale)
        elif kind == np.uint8:
            if scale is None or value is not None:
                raise ProviderError(f"'{node.name}' has uint8 weights, or scales that vary")
            signed |= dict(_widened(arrays, node, scale))
            if node.op_type == "QuantizeLinear":
                _rectify(onnx, graph, node)
    graph.initializer.extend(signed.values())
    return bytes(loaded.SerializeToString())


def _fold(graph: Any, arrays: Any, node: Any, value: Any, scale: Any) -> None:
    """Put a bias in floats in the place of what gives it back from int32."""
    bias = (value.astype(np.float64) * scale).astype(np.float32)
    graph.initializer.append(arrays.from_array(bias, node.output[0]))
    graph.node.remove(node)


def _widened(arrays: Any, node: Any, scale: Any) -> Iterator[tuple[str, Any]]:
    """Let a node speak of int8 in place of uint8; yield the new constants by their names."""
    name, zero = f"{node.input[1]}_signed", f"{node.input[1]}_zero"
    yield name, arrays.from_array((scale * _STEPS).astype(np.float32), name)
    yield zero, arrays.from_array(np.zeros(np.shape(scale), np.int8), zero)
    del node.input[1:]
    node.input.extend([name, zero])


def _rectify(onnx: Any, graph: Any, node: Any) -> None:
    """Cut off what is negative before it is quantised, as uint8 did."""
    kept = f"{node.input[0]}_rectified_{node.output[0]}"
    relu = onnx.helper.make_node("Relu", [node.input[0]], [kept])
    graph.node.insert(list(graph.node).index(node), relu)
    node.input[0] = kept


def _array(arrays: Any, constants: dict[str, Any], name: str) -> Any:
    return arrays.to_array(constants[name]) if name in constants else None


def _padded(names: Any) -> list[str]:
    return [*names, "", ""][:3]


def _needed(module: str, why: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ProviderError(f"{why}, which needs `pip install onnx`: {error}") from error
