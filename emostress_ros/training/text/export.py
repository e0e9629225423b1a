"""Text models as ONNX graphs, written operator by operator (opset 17).

No exporter stands between: the graph is the same from every torch version, weights may be stored
as int8 with one scale a column (``Cast`` and ``Mul`` undo it when the session is made, so that
the arithmetic stays in float32), and calibration is folded into the heads' last weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from emostress_ros.affect import CIRCUMPLEX
from emostress_ros.training.datasets.labelled_text import EKMAN_LABELS, EKMAN_TO_WIRE

Array = npt.NDArray[np.generic]
FloatArray = npt.NDArray[np.float32]
OPSET = 17


@dataclass(frozen=True)
class Linear:
    """A layer: ``x @ weight + bias`` with weight (inputs, outputs) and bias (outputs,)."""

    weight: FloatArray
    bias: FloatArray

    def scaled(self, factor: float, shift: float | FloatArray = 0.0) -> Linear:
        """Return the layer whose output is ``factor * old + shift``: calibration, baked in."""
        return Linear(
            (self.weight * factor).astype(np.float32),
            (self.bias * factor + shift).astype(np.float32),
        )


@dataclass
class Graph:
    """An ONNX graph under construction; every method returns the name of a new tensor."""

    quantise: bool = False
    attention_heads: int = 12
    epsilon: float = 1e-12
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    tensors: list[onnx.TensorProto] = field(default_factory=list)

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: object) -> str:
        """Add one operator with one output."""
        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Array, name: str = "") -> str:
        """Add a constant tensor."""
        label = name or f"c_{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(value, order="C"), label))
        return label

    def matrix(self, value: FloatArray) -> str:
        """Add a weight matrix (inputs, outputs), as int8 with a scale a column if asked."""
        if not self.quantise:
            return self.constant(value.astype(np.float32))
        codes, scale = quantise_columns(value)
        whole = self.op("Cast", self.constant(codes), to=TensorProto.FLOAT)
        return self.op("Mul", whole, self.constant(scale))

    def linear(self, x: str, layer: Linear, output: str = "") -> str:
        """Apply a layer."""
        product = self.op("MatMul", x, self.matrix(layer.weight))
        return self.op("Add", product, self.constant(layer.bias), output=output)

    def norm(self, x: str, weight: FloatArray, bias: FloatArray) -> str:
        """Layer normalisation over the last axis."""
        return self.op(
            "LayerNormalization",
            x,
            self.constant(weight),
            self.constant(bias),
            axis=-1,
            epsilon=self.epsilon,
        )

    def number(self, value: float) -> str:
        """Add a float32 scalar."""
        return self.constant(np.float32(value))

    def shape(self, *sizes: int) -> str:
        """Add a shape or list of axes (0 copies a size, -1 infers one)."""
        return self.constant(np.array(sizes, dtype=np.int64))


def quantise_columns(weight: FloatArray) -> tuple[npt.NDArray[np.int8], FloatArray]:
    """Symmetric int8 codes and one scale a column: weight is about ``codes * scale``."""
    scale = np.maximum(np.abs(weight).max(axis=0, keepdims=True) / 127.0, 1e-12)
    codes = np.clip(np.rint(weight / scale), -127, 127).astype(np.int8)
    return codes, scale.astype(np.float32)


def add_bert(graph: Graph, state: Mapping[str, FloatArray]) -> str:
    """Add a BERT from ``input_ids`` and ``attention_mask`` (N, T) to the pooled (N, D).

    Args:
        graph: the graph.
        state: weights under the names of :class:`~emostress_ros.training.text.encoder.Bert`.
    """
    mask = graph.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    hidden = _embed(graph, state)
    wide = graph.op("Unsqueeze", mask, graph.shape(1, 2))
    bias = graph.op("Mul", graph.op("Sub", wide, graph.number(1.0)), graph.number(1e4))
    layers = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("layers."))
    for index in range(layers):
        prefix = f"layers.{index}."
        part = {
            name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)
        }
        hidden = _add_layer(graph, hidden, bias, part)
    column = graph.op("Unsqueeze", mask, graph.shape(2))
    total = graph.op("ReduceSum", graph.op("Mul", hidden, column), graph.shape(1), keepdims=0)
    count = graph.op("ReduceSum", column, graph.shape(1), keepdims=0)
    return graph.op("Div", total, graph.op("Max", count, graph.number(1.0)))


def _embed(graph: Graph, state: Mapping[str, FloatArray]) -> str:
    """Word, position and segment embeddings, normalised: (N, T, D)."""
    word = state["word.weight"]
    if graph.quantise:
        codes, scale = quantise_columns(np.ascontiguousarray(word.T))
        rows = graph.op("Gather", graph.constant(np.ascontiguousarray(codes.T)), "input_ids")
        scales = graph.op("Gather", graph.constant(np.ascontiguousarray(scale.T)), "input_ids")
        looked_up = graph.op("Mul", graph.op("Cast", rows, to=TensorProto.FLOAT), scales)
    else:
        looked_up = graph.op("Gather", graph.constant(word), "input_ids")
    places = state["position.weight"] + state["segment"]
    if graph.quantise:
        places = places.astype(np.float16)
    length = graph.op("Slice", graph.op("Shape", "input_ids"), graph.shape(1), graph.shape(2))
    used = graph.op("Slice", graph.constant(places), graph.shape(0), length, graph.shape(0))
    position = graph.op("Cast", used, to=TensorProto.FLOAT)
    summed = graph.op("Add", looked_up, position)
    return graph.norm(summed, state["norm.weight"], state["norm.bias"])


def _add_layer(graph: Graph, hidden: str, bias: str, part: Mapping[str, FloatArray]) -> str:
    """One post-norm transformer block; query, key and value share one product."""
    mixed = graph.linear(_attention(graph, hidden, bias, part), _linear(part, "attention_output"))
    hidden = graph.norm(
        graph.op("Add", hidden, mixed), part["attention_norm.weight"], part["attention_norm.bias"]
    )
    inner = graph.linear(hidden, _linear(part, "intermediate"))
    error = graph.op("Erf", graph.op("Div", inner, graph.number(np.sqrt(2.0))))
    gelu = graph.op(
        "Mul", graph.op("Mul", inner, graph.op("Add", error, graph.number(1.0))), graph.number(0.5)
    )
    outer = graph.linear(gelu, _linear(part, "output"))
    return graph.norm(
        graph.op("Add", hidden, outer), part["output_norm.weight"], part["output_norm.bias"]
    )


def _attention(graph: Graph, hidden: str, bias: str, part: Mapping[str, FloatArray]) -> str:
    """Scaled dot-product attention over several heads (Vaswani et al. 2017): (N, T, D)."""
    names = ("query", "key", "value")
    width = part["query.bias"].shape[0]
    each = width // graph.attention_heads
    joint = Linear(
        np.concatenate([part[f"{n}.weight"].T for n in names], axis=1),
        np.concatenate([part[f"{n}.bias"] for n in names]),
    )
    packed = graph.op(
        "Reshape",
        graph.linear(hidden, joint),
        graph.shape(0, 0, 3, graph.attention_heads, each),
    )
    moved = graph.op("Transpose", packed, perm=[2, 0, 3, 1, 4])
    query, key, value = (
        graph.op("Gather", moved, graph.constant(np.int64(i)), axis=0) for i in range(3)
    )
    scores = graph.op("MatMul", query, graph.op("Transpose", key, perm=[0, 1, 3, 2]))
    scaled = graph.op("Div", scores, graph.number(np.sqrt(float(each))))
    weights = graph.op("Softmax", graph.op("Add", scaled, bias), axis=-1)
    mixed = graph.op("Transpose", graph.op("MatMul", weights, value), perm=[0, 2, 1, 3])
    return graph.op("Reshape", mixed, graph.shape(0, 0, width))


def add_heads(
    graph: Graph, embedding: str, hidden: Linear | None, heads: Mapping[str, Linear]
) -> list[str]:
    """Add the heads and name the outputs.

    Args:
        graph: the graph.
        embedding: name of the (N, D) sentence embedding.
        hidden: a ReLU layer between the embedding and all heads, or None.
        heads: calibrated layers: ``general`` (becomes ``probabilities``), ``goemotions`` and
            ``meld`` (softmax over the 7 labels), ``multilabel`` (7 sigmoids), ``stress``.

    Returns:
        the names of the graph's outputs.
    """
    outputs = [graph.op("Identity", embedding, output="embedding")]
    features = embedding if hidden is None else graph.op("Relu", graph.linear(embedding, hidden))
    general = graph.op(
        "Softmax", graph.linear(features, heads["general"]), output="probabilities", axis=-1
    )
    outputs.append(general)
    for name, column in (("valence", 0), ("arousal", 1)):
        points = [CIRCUMPLEX[EKMAN_TO_WIRE[label]][column] for label in EKMAN_LABELS]
        weights = np.array(points, dtype=np.float32)
        outputs.append(graph.op("MatMul", general, graph.constant(weights), output=name))
    for name in ("goemotions", "meld"):
        if name in heads:
            logits = graph.linear(features, heads[name])
            outputs.append(graph.op("Softmax", logits, output=name, axis=-1))
    if "multilabel" in heads:
        logits = graph.linear(features, heads["multilabel"])
        outputs.append(graph.op("Sigmoid", logits, output="multilabel"))
    if "stress" in heads:
        logit = graph.linear(features, heads["stress"])
        outputs.append(
            graph.op("Squeeze", graph.op("Sigmoid", logit), graph.shape(1), output="stress")
        )
    return outputs


def save(graph: Graph, inputs: Sequence[str], outputs: Sequence[str], path: Path) -> None:
    """Check the graph and write it as one file."""
    widths = {"embedding": "D", "probabilities": 7, "goemotions": 7, "meld": 7, "multilabel": 7}
    takes = []
    for name in inputs:
        if name == "sentence":
            takes.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 384]))
        else:
            takes.append(helper.make_tensor_value_info(name, TensorProto.INT64, ["N", "T"]))
    gives = [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, ["N", widths[name]] if name in widths else ["N"]
        )
        for name in outputs
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "text", takes, gives, graph.tensors),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="emostress_ros",
    )
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def _linear(part: Mapping[str, FloatArray], name: str) -> Linear:
    """Read a torch layer, whose weight is (outputs, inputs)."""
    return Linear(part[f"{name}.weight"].T, part[f"{name}.bias"])
