"""Finds what comes before the 8 bits: a picture standardised, scaled, and two convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emostress_ros.inference.onnx_graph import Graph, Node
from emostress_ros.inference.quantised.network import FRONT_CHANNELS, Front, geometry
from emostress_ros.inference.trial import require

_STANDARDISED = ("Cast", "ReduceMean", "Sub", "Mul", "ReduceMean", "Sqrt", "Add", "Div")
_SCALED = ("Shape", "Slice", "Concat", "Resize")
FRONT = (*_STANDARDISED, *_SCALED, "Conv", "Clip", "Conv", "Clip")
"""Operations, in their order."""


def match_front(graph: Graph, nodes: Sequence[Node], step: float) -> Front:
    """Return what a graph's first nodes compute.

    Args:
        graph: of the model.
        nodes: as many as there are in :data:`FRONT`.
        step: of the levels that they end in.

    Raises:
        UnsupportedError: it is something else.
    """
    require(tuple(node.op for node in nodes) == FRONT, "it does not begin as it should")
    _linked(graph, nodes)
    added, sizes, resize = nodes[6], nodes[10], nodes[11]
    first, clip, second, other = nodes[12:]
    options = resize.attributes
    require(
        options.get("mode") == "linear"
        and options.get("coordinate_transformation_mode", "half_pixel") == "half_pixel"
        and not options.get("antialias"),
        "it is scaled in another way",
    )
    rows, columns = graph.constants[sizes.inputs[1]].tolist()
    require(rows == columns, "the picture is no square")
    bounds = [_bound(graph, node) for node in (clip, other)]
    require(bounds[0] == bounds[1], "two bounds")
    weights = [
        (graph.constants[n.inputs[1]], graph.constants[n.inputs[2]]) for n in (first, second)
    ]
    stride, before, _ = geometry(first, 3)
    require(geometry(second, 3) == (1, 1, 1), "the second convolution is another")
    for (array, _), node in zip(weights, (first, second), strict=True):
        require(array.shape == (FRONT_CHANNELS, 1, 3, 3), f"weights of {array.shape}")
        require(array.dtype == np.float32, f"weights of {array.dtype}")
        groups = FRONT_CHANNELS if node is second else 1
        require(node.attributes.get("group", 1) == groups, "groups")
    return Front(
        rows, float(graph.constants[added.inputs[1]]), bounds[0], step,
        (*weights[0], stride, before), weights[1],
    )  # fmt: skip


def _linked(graph: Graph, nodes: Sequence[Node]) -> None:
    """Require of the front that each node takes what the kernel takes."""
    cast, mean, less, square, variance, root, added, divided = nodes[:8]
    shape, cut, sizes, resize, *convolutions = nodes[8:]
    last = divided.outputs[0]
    wanted = [
        (cast, (graph.inputs[0],)), (mean, cast.outputs),
        (less, (cast.outputs[0], mean.outputs[0])), (square, less.outputs * 2),
        (variance, square.outputs), (root, variance.outputs), (shape, (last,)),
        (divided, (less.outputs[0], added.outputs[0])),
    ]  # fmt: skip
    for node, inputs in wanted:
        require(node.inputs == inputs, f"{node.op} takes {node.inputs}")
    require(added.inputs[0] == root.outputs[0], "the deviation is not added to")
    require(cut.inputs[0] == shape.outputs[0], "the size is of something else")
    require(sizes.inputs[0] == cut.outputs[0], "the size is of something else")
    require(resize.inputs[0] == last and resize.inputs[3] == sizes.outputs[0], "Resize")
    for node, before in zip(convolutions, [resize, *convolutions], strict=False):
        require(node.inputs[0] == before.outputs[0], f"{node.op} takes {node.inputs}")
    for reduce in (mean, variance):
        axes = reduce.attributes.get("axes")
        require(axes == [1, 2, 3] and reduce.attributes.get("keepdims", 1) == 1, "a mean")


def _bound(graph: Graph, clip: Node) -> float:
    least, most = (float(graph.constants[name]) for name in clip.inputs[1:])
    require(least == 0.0, "a bound below 0")
    return most
