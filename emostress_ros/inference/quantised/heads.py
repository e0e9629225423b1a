"""Finds what comes behind the convolutions: products of floats with the means over a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from emostress_ros.inference.onnx_graph import Graph, Node
from emostress_ros.inference.quantised.network import Dense
from emostress_ros.inference.trial import UnsupportedError, require


def match_heads(graph: Graph, means: str, nodes: Iterable[Node]) -> tuple[Dense, ...]:
    """Return the products behind the means; what only divides or bounds belongs to one.

    Args:
        graph: of the model.
        means: name of what they take.
        nodes: all that follow.

    Raises:
        UnsupportedError: there is something else among them.
    """
    made: list[Dense] = []
    places = {means: -1}
    for node in nodes:
        source = places[node.inputs[0]]
        found, alone = _product(graph, node, source, made)
        if alone:  # belongs to the one before it, whose own output nobody may ask for
            require(node.inputs[0] not in graph.outputs, "an output between")
            require(_users(graph, node.inputs[0]) == 1, "two use what is between")
            made[source] = found
            places[node.outputs[0]] = source
        else:
            made.append(found)
            places[node.outputs[0]] = len(made) - 1
    return tuple(made)


def _product(graph: Graph, node: Node, source: int, made: Sequence[Dense]) -> tuple[Dense, bool]:
    """Return the product, and whether it takes the place of its source."""
    name = node.outputs[0] if node.outputs[0] in graph.outputs else ""
    if node.op in ("Gemm", "MatMul"):
        return _matrix(graph, node, source, name), False
    before = made[source]
    require(source >= 0 and not before.flat, f"{node.op} of the means")
    weights, bias = before.weights, before.bias
    if node.op == "Div":
        divisor = graph.constants[node.inputs[1]]
        require(divisor.size == 1 and not before.softmax and before.divisor == 1.0, "Div")
        return Dense(before.source, weights, bias, float(divisor), name=name), True
    if node.op == "Softmax":
        axis = node.attributes.get("axis", -1)
        require(axis in (-1, 1) and not before.softmax, "Softmax")
        return Dense(before.source, weights, bias, before.divisor, True, name), True
    if node.op == "Gather":
        column = graph.constants[node.inputs[1]]
        require(column.ndim == 0 and node.attributes.get("axis", 0) == 1, "Gather")
        require(not before.softmax and before.divisor == 1.0 and name != "", "Gather")
        part = slice(int(column), int(column) + 1)
        # One column of a product is the product with that column.
        return Dense(before.source, weights[:, part], bias[part], name=name, flat=True), False
    raise UnsupportedError(f"{node.op} behind the convolutions")


def _matrix(graph: Graph, node: Node, source: int, name: str) -> Dense:
    weights = graph.constants[node.inputs[1]]
    require(weights.ndim == 2 and weights.dtype == np.float32, f"{node.op} of {weights.dtype}")
    options = node.attributes
    plain = options.get("alpha", 1.0) == options.get("beta", 1.0) == 1.0
    require(plain and not options.get("transA"), f"{node.op} with factors")
    weights = weights.T if options.get("transB") else weights
    bias = np.zeros(weights.shape[1], np.float32)
    if len(node.inputs) > 2:
        bias = graph.constants[node.inputs[2]].reshape(-1)
    require(bias.shape == weights.shape[1:], f"a bias of {bias.shape}")
    return Dense(source, weights, bias, name=name)


def _users(graph: Graph, name: str) -> int:
    return sum(name in node.inputs for node in graph.nodes)
