"""Finds in an ONNX graph the networks of separable convolutions that the kernel runs.

A 3×3 convolution of an image's planes; units of a 1×1 convolution of all channels and a 3×3 one of
each alone (Howard et al., "MobileNets", 2017); the most of 2×2 places; what was found at half the
size added (Lin et al., "Feature pyramid networks", CVPR 2017); heads, which are units of few
channels and end in the graph's outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from emostress_ros.inference.onnx_graph import Array, Graph, Node
from emostress_ros.inference.trial import UnsupportedError, require

STEM, UNIT, POOL, ADD, HEAD = range(5)
"""Kinds of steps, in the order of ``enum separable_kind`` in ``src/separable.h``."""
_NONE: Array = np.empty(0, np.float32)


class Part(NamedTuple):
    """Channels of a head that are an output of the graph: (1, images · rows · columns, size)."""

    name: str
    size: int
    squashed: bool


class Layer(NamedTuple):
    """One step.

    Attributes:
        kind: of the kinds above.
        source: name of the tensor that it takes.
        name: of the one that it gives.
        weights: (in_channels, channels); of a stem (planes · 9, channels); empty where there are
            none.
        bias: (channels,).
        spatial: (9, channels).
        spatial_bias: (channels,).
        bounded: no less than 0.
        other: what is added.
        parts: of a head.
    """

    kind: int
    source: str
    name: str
    weights: Array = _NONE
    bias: Array = _NONE
    spatial: Array = _NONE
    spatial_bias: Array = _NONE
    bounded: bool = False
    other: str = ""
    parts: tuple[Part, ...] = ()


def match(graph: Graph) -> list[Layer]:
    """Return the steps of a graph, in order.

    Raises:
        UnsupportedError: it holds what there is no step for.
    """
    try:
        return _Matcher(graph).layers()
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise UnsupportedError(f"the graph is of another kind: {error!r}") from error


class _Matcher:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.constants = graph, graph.constants
        self._users: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for name in node.inputs:
                self._users.setdefault(name, []).append(node)
        self._done: set[int] = set()

    def layers(self) -> list[Layer]:
        found = []
        kinds: dict[str, Callable[[Node], Layer]] = {
            "Conv": self._convolution, "MaxPool": self._pool, "Resize": self._added,
        }  # fmt: skip
        for node in self.graph.nodes:
            if id(node) not in self._done:
                require(node.op in kinds, f"{node.op} is none of {sorted(kinds)}")
                found.append(kinds[node.op](node))
        named = [part.name for layer in found for part in layer.parts]
        require(sorted(named) == sorted(self.graph.outputs), "outputs that are no heads'")
        return _joined(found)

    def _convolution(self, node: Node) -> Layer:
        self._done.add(id(node))
        options, (weights, bias) = node.attributes, self._weights(node)
        channels, inputs, *kernel = weights.shape
        plain = options.get("dilations", [1, 1]) == [1, 1] and options.get("group", 1) == 1
        require(plain and "auto_pad" not in options, "a convolution of another kind")
        if kernel == [3, 3]:
            require(node.inputs[0] == self.graph.inputs[0], "a 3×3 convolution of all channels")
            require(options["pads"] == [1] * 4 and options["strides"] == [2, 2], "its steps")
            rows = weights.reshape(channels, inputs * 9).T
            name, bounded = self._bounded(node.outputs[0])
            require(bounded, "a stem without a bound")
            return Layer(STEM, node.inputs[0], name, rows, bias, bounded=True)
        require(kernel == [1, 1] and options.get("strides", [1, 1]) == [1, 1], "its steps")
        require(not any(options.get("pads", [0])), "zeros round a 1×1 convolution")
        second = self._only_user(node.outputs[0])
        require(second.op == "Conv", f"{second.op} behind a 1×1 convolution")
        self._done.add(id(second))
        spatial, spatial_bias = self._weights(second)
        alone = second.attributes.get("group", 1) == channels
        require(alone and spatial.shape == (channels, 1, 3, 3), "no channels alone")
        require(
            second.attributes["pads"] == [1] * 4
            and second.attributes.get("strides", [1, 1]) == [1, 1]
            and second.attributes.get("dilations", [1, 1]) == [1, 1],
            "steps of a 3×3 convolution",
        )
        unit = (weights.reshape(channels, inputs).T, bias, spatial.reshape(channels, 9).T,
                spatial_bias)  # fmt: skip
        users = self._users[second.outputs[0]]
        if len(users) == 1 and users[0].op == "Transpose":
            part = self._part(users[0], channels)
            return Layer(HEAD, node.inputs[0], "", *unit, parts=(part,))
        name, bounded = self._bounded(second.outputs[0])
        return Layer(UNIT, node.inputs[0], name, *unit, bounded=bounded)

    def _part(self, transposed: Node, size: int) -> Part:
        require(transposed.attributes.get("perm") == [0, 2, 3, 1], "another order")
        shaped = self._only_user(transposed.outputs[0])
        require(shaped.op == "Reshape", f"{shaped.op} behind a head")
        require(self.constants[shaped.inputs[1]].tolist() == [1, -1, size], "another shape")
        self._done |= {id(transposed), id(shaped)}
        name = shaped.outputs[0]
        if name in self.graph.outputs:
            return Part(name, size, False)
        squashed = self._only_user(name)
        require(squashed.op == "Sigmoid", f"{squashed.op} behind a head")
        self._done.add(id(squashed))
        return Part(squashed.outputs[0], size, True)

    def _pool(self, node: Node) -> Layer:
        self._done.add(id(node))
        options = node.attributes
        require(
            options.get("kernel_shape") == options.get("strides") == [2, 2]
            and not any(options.get("pads", [0])) and not options.get("ceil_mode")
            and "auto_pad" not in options,
            "another MaxPool",
        )  # fmt: skip
        return Layer(POOL, node.inputs[0], node.outputs[0])

    def _added(self, node: Node) -> Layer:
        options, scales = node.attributes, self.constants[node.inputs[2]].tolist()
        require(
            options.get("mode") == "nearest" and scales == [1.0, 1.0, 2.0, 2.0]
            and options.get("coordinate_transformation_mode") == "asymmetric"
            and options.get("nearest_mode") == "floor",
            "another Resize",
        )  # fmt: skip
        add = self._only_user(node.outputs[0])
        require(add.op == "Add", f"{add.op} behind a Resize")
        self._done |= {id(node), id(add)}
        (source,) = set(add.inputs) - {node.outputs[0]}
        return Layer(ADD, source, add.outputs[0], other=node.inputs[0])

    def _bounded(self, name: str) -> tuple[str, bool]:
        """Return the name behind a Relu, and whether there is one."""
        users = self._users.get(name, [])
        if len(users) != 1 or users[0].op != "Relu":
            return name, False
        self._done.add(id(users[0]))
        return users[0].outputs[0], True

    def _weights(self, node: Node) -> tuple[Array, Array]:
        weights, bias = (self.constants[name] for name in node.inputs[1:])
        require(weights.dtype == bias.dtype == np.float32 and weights.ndim == 4, "weights")
        return weights, bias

    def _only_user(self, name: str) -> Node:
        users = self._users[name]
        require(len(users) == 1 and name not in self.graph.outputs, f"several use '{name}'")
        return users[0]


def _joined(layers: list[Layer]) -> list[Layer]:
    """Join the heads of one tensor: each has few channels, a vector has many lanes."""
    heads: dict[str, list[Layer]] = {}
    for layer in layers:
        if layer.kind == HEAD:
            heads.setdefault(layer.source, []).append(layer)
    found = [layer for layer in layers if layer.kind != HEAD]
    for source, several in heads.items():
        units = zip(*((one.weights, one.bias, one.spatial, one.spatial_bias) for one in several),
                    strict=True)  # fmt: skip
        weights, bias, spatial, spatial_bias = (np.concatenate(parts, axis=-1) for parts in units)
        parts = tuple(part for one in several for part in one.parts)
        found.append(Layer(HEAD, source, "", weights, bias, spatial, spatial_bias, parts=parts))
    return found
