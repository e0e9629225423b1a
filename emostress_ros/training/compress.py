"""Variants of an exported model that are *stored* small: half precision, 8-bit weights, pruning.

The weights are widened once, when the model is loaded, and all arithmetic stays in float32, so that
the time of an inference does not change on any machine.  Those that also *compute* in 8 bits are
made by :mod:`~emostress_ros.training.int8`.

Per-channel quantisation: Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", CVPR 2018; Krishnamoorthi 2018. Pruning by magnitude: Han et
al., "Learning both weights and connections for efficient neural networks", NeurIPS 2015.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from emostress_ros.errors import ModelError, ParameterError
from emostress_ros.inference.card import CARD_FILE, ModelCard
from emostress_ros.inference.packaged import sha256_of

LEAST_SIZE = 1024
"""Smaller tensors are left alone: they cost no room, and biases and scales need their precision."""
WIDENED = ("Conv", "Gemm", "MatMul")


def widen(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy whose weights are all float32: undoes ``fp16`` and ``w8`` storage.

    A ``Cast`` of a constant, and a ``Mul`` of two, are replaced by their result.
    """
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    values = {item.name: numpy_helper.to_array(item) for item in wide.graph.initializer}
    nodes = []
    for node in wide.graph.node:
        folded = _folded(node, values)
        if folded is None:
            nodes.append(node)
        else:
            values[node.output[0]] = folded
    used = {name for node in nodes for name in node.input}
    used |= {item.name for item in wide.graph.output}
    _replace(wide, nodes, {name: value for name, value in values.items() if name in used})
    return wide


def _folded(node: onnx.NodeProto, values: Mapping[str, Any]) -> npt.NDArray[Any] | None:
    if not all(name in values for name in node.input):
        return None
    inputs = [values[name] for name in node.input]
    if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT:
        return np.asarray(inputs[0], np.float32)
    if node.op_type == "Mul" and all(value.dtype == np.float32 for value in inputs):
        return np.asarray(inputs[0] * inputs[1], np.float32)
    return None


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy whose large weights are stored as float16 and cast once, when it is loaded."""
    small = onnx.ModelProto()
    small.CopyFrom(model)
    casts = []
    values: dict[str, npt.NDArray[Any]] = {}
    for tensor in small.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype == np.float32 and value.size >= LEAST_SIZE:
            values[f"{tensor.name}_half"] = value.astype(np.float16)
            casts.append(_cast(f"{tensor.name}_half", tensor.name))
        else:
            values[tensor.name] = value
    _replace(small, [*casts, *small.graph.node], values)
    return small


def store_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy whose large weights are stored as int8 with a scale an output channel."""
    small = onnx.ModelProto()
    small.CopyFrom(model)
    axes = dict(large_weights(small))
    nodes, values = [], {}
    for tensor in small.graph.initializer:
        value, name = numpy_helper.to_array(tensor), tensor.name
        if name not in axes or value.dtype != np.float32:
            values[name] = value
            continue
        codes, scale = quantise(value, axes[name])
        values |= {f"{name}_codes": codes, f"{name}_scale": scale}
        nodes += [
            _cast(f"{name}_codes", f"{name}_wide"),
            helper.make_node("Mul", [f"{name}_wide", f"{name}_scale"], [name]),
        ]
    _replace(small, [*nodes, *small.graph.node], values)
    return small


def quantise(
    weight: npt.NDArray[np.floating], axis: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Symmetric int8 codes and the scale of every channel: the weight is about their product.

    Args:
        weight: any shape.
        axis: of the output channels; each has a scale of its own.
    """
    others = tuple(i for i in range(weight.ndim) if i != axis % weight.ndim)
    scale = np.maximum(np.abs(weight).max(axis=others, keepdims=True) / 127.0, 1e-12)
    codes = np.clip(np.rint(weight / scale), -127, 127).astype(np.int8)
    return codes, scale.astype(np.float32)


def prune(model: onnx.ModelProto, sparsity: float) -> onnx.ModelProto:
    """Return a copy in which the smallest weights of every large tensor are zero.

    Args:
        model: with float32 weights.
        sparsity: share of each tensor that becomes zero, [0, 1).

    Raises:
        ParameterError: a sparsity outside [0, 1).
    """
    if not 0.0 <= sparsity < 1.0:
        raise ParameterError(f"sparsity must lie in [0, 1); got {sparsity}")
    sparse = onnx.ModelProto()
    sparse.CopyFrom(model)
    chosen = dict(large_weights(sparse))
    values = {}
    for tensor in sparse.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if tensor.name in chosen and value.dtype == np.float32 and sparsity > 0:
            size = np.abs(value)
            value = np.where(size <= np.quantile(size, sparsity), np.float32(0.0), value)
        values[tensor.name] = value
    _replace(sparse, list(sparse.graph.node), values)
    return sparse


def check_worth(model: onnx.ModelProto) -> None:
    """Raise :class:`ModelError` for a model that has no weight worth making smaller."""
    if not dict(large_weights(model)):
        raise ModelError(f"no product of at least {LEAST_SIZE} weights: nothing to make smaller")


def large_weights(model: onnx.ModelProto) -> Iterator[tuple[str, int]]:
    """Yield (name, axis of the output channels) of every large weight of a product."""
    sizes = {item.name: int(np.prod(item.dims)) for item in model.graph.initializer}
    for node in model.graph.node:
        name = node.input[1] if node.op_type in WIDENED and len(node.input) > 1 else ""
        if sizes.get(name, 0) < LEAST_SIZE:
            continue
        turned = any(a.name == "transB" and a.i for a in node.attribute)
        yield name, 0 if node.op_type == "Conv" or turned else -1


def write_variant(card: ModelCard, file: Path, name: str, folder: Path) -> ModelCard:
    """Write the card of a variant beside its file, and copy what else the model needs.

    Its figures are left out: they are another's.

    Args:
        card: of the model that the variant was made of.
        file: ``folder/model.onnx``, already written.
        name: of the variant.
        folder: model folder.
    """
    raw = dict(card.raw) | {
        "name": f"{card.name}_{name}", "file": file.name, "sha256": sha256_of(file), "figures": [],
    }  # fmt: skip
    raw["extra"] = {**card.extra, "variant": name, "variant_of": card.identifier}
    for other in card.folder.iterdir():  # such as a tokenizer
        if other.suffix not in (".onnx", ".yaml", ".npz") and other.is_file():
            shutil.copyfile(other, folder / other.name)
    text = yaml.safe_dump(raw, sort_keys=False, allow_unicode=True, width=98)
    (folder / CARD_FILE).write_text(text, encoding="utf-8")
    return ModelCard.load(folder)


def add_variant(card: ModelCard, variant: ModelCard, precision: str, note: str) -> ModelCard:
    """Put a variant's file into the model's own folder and name it in the card.

    Args:
        card: of the model.
        variant: of the file that was made of it.
        precision: the variant's name in the card, ``int8``.
        note: what it keeps and what it saves, in a sentence.
    """
    file = card.folder / f"{card.file.stem}_{precision}.onnx"
    shutil.copyfile(variant.file, file)
    entry = {"file": file.name, "sha256": sha256_of(file), "of": card.sha256, "note": note}
    raw = dict(card.raw)
    raw["variants"] = {**(raw.get("variants") or {}), precision: entry}
    text = yaml.safe_dump(raw, sort_keys=False, allow_unicode=True, width=96)
    (card.folder / CARD_FILE).write_text(text, encoding="utf-8")
    return ModelCard.load(card.folder)


def _cast(source: str, name: str) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [name], to=TensorProto.FLOAT)


def _replace(
    model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], values: Mapping[str, Any]
) -> None:
    """Put other nodes and constants into a graph, and check it."""
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    del model.graph.initializer[:]
    model.graph.node.extend(kept)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value, order="C"), name)
        for name, value in values.items()
    )
    onnx.checker.check_model(model)
