"""Turns an ONNX graph whose sizes are known into steps.

What only moves numbers about (slices, transpositions, shapes) is done here, once, as views of
numpy.  What is left to do in each run is arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from emostress_ros.inference.onnx_graph import Array, Graph, Node
from emostress_ros.inference.steps.step import Code, FloatArray, Step
from emostress_ros.inference.trial import UnsupportedError


def lower(
    graph: Graph, inputs: Mapping[str, FloatArray], outputs: Mapping[str, FloatArray]
) -> list[Step]:
    """Return the steps that compute a graph.

    Args:
        graph: of a model.
        inputs: all of its inputs by name; they are read in each run.
        outputs: those of its outputs that are wanted; they are overwritten in each run.

    Raises:
        UnsupportedError: there is a node that cannot be made steps of.
    """
    lowering = Lowering({**graph.constants, **inputs}, set(graph.constants))
    for node in graph.nodes:
        lowering.add(node)
    for name, array in outputs.items():
        lowering.emit(Code.COPY, lowering.values[name], array)
    return lowering.steps


class Lowering:
    """The steps so far, and what each name stands for.

    Args:
        values: arrays by name, of the inputs and the constants.
        fixed: names of the constants.
    """

    def __init__(self, values: dict[str, Array], fixed: set[str]) -> None:
        self.values, self.fixed = values, fixed
        self.steps: list[Step] = []

    def add(self, node: Node) -> None:
        """Make steps, or views, of a node."""
        maker = MAKERS.get(node.op)
        if maker is None:
            raise UnsupportedError(f"there is no step for {node.op}")
        before = len(self.steps)
        found = maker(self, Given(self, node))
        if any(value.ndim > 4 for value in found):
            raise UnsupportedError(f"{node.op} of more than four axes")
        self.values.update(zip(node.outputs, found, strict=False))
        # Views of constants are constants; a shape is known whatever it is the shape of.
        known = node.op == "Shape" or all(name in self.fixed for name in node.inputs if name)
        if known and len(self.steps) == before:
            self.fixed.update(node.outputs)

    def emit(
        self, code: Code, a: Array, out: FloatArray, b: Array | None = None,
        low: float = 1.0, high: float = 0.0, fixed: bool = False,
    ) -> list[Array]:  # fmt: skip
        """Add a step; return its result."""
        for operand in (a, b):
            if operand is not None and operand.dtype != np.float32:
                raise UnsupportedError(f"{code.name} of {operand.dtype}")
        self.steps.append(Step(code, a, b, out, low, high, fixed))
        return [out]

    def contiguous(self, array: Array) -> Array:
        """Return an array whose axes may be joined: a view, or a copy made in each run."""
        if array.flags.c_contiguous:
            return array
        return self.emit(Code.COPY, array, np.empty(array.shape, np.float32))[0]


class Given:
    """What a node is given.

    Args:
        lowering: knows what names stand for.
        node: whose inputs and attributes are asked for.
    """

    def __init__(self, lowering: Lowering, node: Node) -> None:
        self._lowering, self._names = lowering, node.inputs
        self.op, self.attributes, self.count = node.op, node.attributes, len(node.inputs)

    def has(self, place: int) -> bool:
        """Whether an input is not left out."""
        return place < self.count and bool(self._names[place])

    def value(self, place: int) -> Array:
        """Return an input.

        Raises:
            UnsupportedError: it is left out, or not known.
        """
        found = self._lowering.values.get(self._names[place]) if self.has(place) else None
        if found is None:
            raise UnsupportedError(f"{self.op} lacks input {place}")
        return found

    def fixed(self, place: int) -> bool:
        """Whether an input is the same in each run."""
        return self.has(place) and self._names[place] in self._lowering.fixed

    def constant(self, place: int) -> Array:
        """Return an input that is the same in each run.

        Raises:
            UnsupportedError: it is not.
        """
        if not self.fixed(place):
            raise UnsupportedError(f"input {place} of {self.op} changes from run to run")
        return self.value(place)

    def integers(self, place: int, attribute: str = "") -> list[int] | None:
        """Return integers that older versions of ONNX give as an attribute; None without either."""
        if self.has(place):
            return [int(number) for number in self.constant(place).ravel()]
        named = self.attributes.get(attribute)
        return None if named is None else list(named)


Maker = Callable[[Lowering, Given], list[Array]]
MAKERS: dict[str, Maker] = {}
"""Operation to what makes steps of it."""


def makes(*operations: str) -> Callable[[Maker], Maker]:
    """Decorate what makes steps of operations."""

    def register(maker: Maker) -> Maker:
        MAKERS.update(dict.fromkeys(operations, maker))
        return maker

    return register
