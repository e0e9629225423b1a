"""Finds in an ONNX graph the networks that the kernel runs.

A grey picture of bytes is standardised, scaled, and taken through two convolutions of floats; then
come 3×3 convolutions of single channels and 1×1 ones of all, in 8 bits (QDQ), as MobileNet has them
(Howard et al., "MobileNets", 2017); then the mean over the picture and products of floats.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emostress_ros.inference.onnx_graph import Array, Graph, Node
from emostress_ros.inference.quantised.front import FRONT, match_front
from emostress_ros.inference.quantised.heads import match_heads
from emostress_ros.inference.quantised.network import Convolution, Network, geometry
from emostress_ros.inference.trial import UnsupportedError, require


def match(graph: Graph) -> Network:
    """Return the network that a graph computes.

    Raises:
        UnsupportedError: it is none that the kernel runs; says what stands in its way.
    """
    try:
        return _Matcher(graph).network()
    except (KeyError, IndexError, ValueError, TypeError, StopIteration) as error:
        raise UnsupportedError(f"the graph is of another kind: {error!r}") from error


class _Matcher:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.constants = graph, graph.constants
        self._weights = {  # those of int8 come as integers and the nodes that widen them
            node.outputs[0]: node.inputs
            for node in graph.nodes
            if node.op == "DequantizeLinear" and node.inputs[0] in graph.constants
        }
        self._chain = [node for node in graph.nodes if node.outputs[0] not in self._weights]

    def network(self) -> Network:
        nodes = iter(self._chain)
        first = [next(nodes) for _ in FRONT]
        require(len(self.graph.inputs) == 1, "it has several inputs")
        at, step = self._quantised(nodes, first[-1].outputs[0])
        front = match_front(self.graph, first, step)
        layers = []
        node = next(nodes)
        while node.op == "Conv":
            layers.append(self._convolution(node, at, step, nodes))
            at, step = self._last
            node = next(nodes)
        require(layers != [], "it has no convolution of 8 bits")
        means = self._means(node, at)
        dense = match_heads(self.graph, means, nodes)
        names = {product.name for product in dense}
        require(set(self.graph.outputs) <= names, "it gives what the kernel does not")
        return Network(self.graph.inputs[0], front, tuple(layers), step, dense, self.graph.outputs)

    def _quantised(self, nodes: Iterator[Node], source: str) -> tuple[str, float]:
        """Take a pair of nodes that rounds to levels; return its name and the levels' unit."""
        rounded, widened = next(nodes), next(nodes)
        require(
            (rounded.op, widened.op) == ("QuantizeLinear", "DequantizeLinear")
            and rounded.inputs[0] == source
            and widened.inputs[0] == rounded.outputs[0]
            and rounded.inputs[1:] == widened.inputs[1:],
            f"no levels behind {source}",
        )
        step, zero = (self.constants[name] for name in rounded.inputs[1:])
        require(zero.dtype == np.uint8 and not zero.any() and step.size == 1, "levels")
        return widened.outputs[0], float(step)

    def _convolution(self, node: Node, at: str, step: float, nodes: Iterator[Node]) -> Convolution:
        require(node.inputs[0] == at, f"Conv takes {node.inputs[0]}")
        weights, unit = self._integers(node.inputs[1], np.int8)
        bias, bias_unit = self._integers(node.inputs[2], np.int32)
        channels, inputs, *kernel = weights.shape
        depthwise = kernel == [3, 3]
        require(depthwise or kernel == [1, 1], f"a kernel of {kernel}")
        groups = node.attributes.get("group", 1)
        require(groups == (channels if depthwise else 1), f"{groups} groups")
        require(not depthwise or inputs == 1, "a 3×3 convolution of several channels")
        stride, before, after = geometry(node, kernel[0])
        require(depthwise or (stride, before, after) == (1, 0, 0), "steps of a 1×1 convolution")
        require(np.allclose(bias_unit, step * unit, rtol=1e-4), "another unit of the bias")
        self._last = self._quantised(nodes, node.outputs[0])
        single = np.float32
        factors = (single(step) * unit.astype(single)) / single(self._last[1])
        return Convolution(weights, bias, factors, depthwise, stride, before, after)

    def _integers(self, name: str, kind: type[np.generic]) -> tuple[Array, Array]:
        values, unit, *zero = (self.constants[part] for part in self._weights[name])
        require(values.dtype == kind, f"{name} is of {values.dtype}")
        require(not any(part.any() for part in zero), f"{name} has a zero point")
        return values, np.broadcast_to(unit.reshape(-1), len(values))

    def _means(self, node: Node, at: str) -> str:
        require(
            node.op == "ReduceMean" and node.inputs[0] == at
            and node.attributes.get("axes") == [2, 3] and not node.attributes.get("keepdims", 1),
            f"{node.op} behind the convolutions",
        )  # fmt: skip
        return node.outputs[0]
