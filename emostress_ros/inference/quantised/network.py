"""What the kernel runs: a network of 8-bit convolutions, as its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from emostress_ros.inference.onnx_graph import Array, Node
from emostress_ros.inference.trial import require

FRONT_CHANNELS = 32


@dataclass(frozen=True)
class Convolution:
    """One of 8 bits.

    Attributes:
        weights: (channels, inputs, rows, columns) int8.
        bias: (channels,) int32.
        factors: (channels,) float32, from sums to levels of the output.
        depthwise: each channel alone, 3×3; else 1×1.
        stride: of both axes.
        before: zeros above and to the left.
        after: zeros below and to the right.
    """

    weights: Array
    bias: Array
    factors: Array
    depthwise: bool
    stride: int
    before: int
    after: int


@dataclass(frozen=True)
class Front:
    """What comes before the 8 bits.

    Attributes:
        scaled: side of the enlarged picture, px.
        added: to the deviation of the grey levels that they are divided by.
        most: bound of both convolutions.
        step: of the levels that they become.
        first: the first convolution: (32, 1, 3, 3), (32,), with its stride and zeros before.
        second: of each channel alone: (32, 1, 3, 3), (32,).
    """

    scaled: int
    added: float
    most: float
    step: float
    first: tuple[Array, Array, int, int]
    second: tuple[Array, Array]


@dataclass(frozen=True)
class Dense:
    """A product of floats.

    Attributes:
        source: number of the earlier one whose output it takes; -1 for the means.
        weights: (inputs, outputs).
        name: of the output; empty where it is not one of the graph's.
        flat: whether the graph's output lacks the second axis, of one number.
    """

    source: int
    weights: Array
    bias: Array
    divisor: float = 1.0
    softmax: bool = False
    name: str = ""
    flat: bool = False


@dataclass(frozen=True)
class Network:
    """What the graph computes; ``mean_step`` is the unit of the last levels."""

    input: str
    front: Front
    layers: tuple[Convolution, ...]
    mean_step: float
    dense: tuple[Dense, ...]
    outputs: tuple[str, ...]


def geometry(node: Node, kernel: int) -> tuple[int, int, int]:
    """Return stride, zeros before and zeros after, the same on both axes."""
    options = node.attributes
    stride = options.get("strides", [1, 1])
    pads = options.get("pads", [0, 0, 0, 0])
    require(options.get("dilations", [1, 1]) == [1, 1], "a convolution with gaps")
    require(options.get("auto_pad", "NOTSET") == "NOTSET", "zeros told by name")
    require(stride[0] == stride[1] and pads[0] == pads[1] and pads[2] == pads[3], "two axes")
    require(max(pads) < kernel, "many zeros")
    return stride[0], pads[0], pads[2]
