"""Networks of small tensors, run by compiled kernels in place of ONNX Runtime.

ONNX Runtime takes about a microsecond for a node however small its tensors are, and gives the
interpreter's lock away for each run.  A fusion has fifty nodes over a few hundred numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from emostress_ros.inference.onnx_graph import Graph
from emostress_ros.inference.steps import arithmetic, views  # noqa: F401  they register operations
from emostress_ros.inference.steps.lowering import lower
from emostress_ros.inference.steps.program import Program
from emostress_ros.inference.steps.step import FloatArray, UnsupportedError

__all__ = ["compile_run"]

logger = logging.getLogger(__name__)
_TOLERANCE = 1e-3  # tells a wrong step from the rounding of a right one
_TRIALS = 3
Run = Callable[[], object]


def compile_run(
    name: str,
    graph: Graph,
    inputs: Mapping[str, FloatArray],
    outputs: Mapping[str, FloatArray],
    reference: Run,
) -> Run | None:
    """Return what runs a graph on arrays that stay, if compiled kernels can.

    It is tried on made-up inputs first: what says anything else than the reference is not used.

    Args:
        name: of the model, for the log.
        graph: of the model.
        inputs: by name, contiguous; what they hold is lost.
        outputs: by name, contiguous.
        reference: does the same.
    """
    if any(array.dtype != np.float32 for array in inputs.values()):
        return None
    try:
        program = Program(lower(graph, inputs, outputs))
    except UnsupportedError as error:
        logger.debug("%s is run by ONNX Runtime: %s", name, error)
        return None
    off = _furthest(program, reference, list(inputs.values()), list(outputs.values()))
    if not off <= _TOLERANCE:
        logger.warning("%s: compiled steps are %.2g off and are not used", name, off)
        return None
    return program


def _furthest(ours: Run, reference: Run, inputs: Sequence[FloatArray],
              outputs: Sequence[FloatArray]) -> float:  # fmt: skip
    """Return how far two runs are apart at most, of the larger of 1 and the number itself."""
    random, off = np.random.default_rng(0), 0.0
    for _ in range(_TRIALS):
        for array in inputs:
            array[...] = random.normal(size=array.shape)
        reference()
        wanted = [array.copy() for array in outputs]
        for array in outputs:
            array.fill(np.nan)
        ours()
        for found, right in zip(outputs, wanted, strict=True):
            apart = np.abs(found - right) / np.maximum(1.0, np.abs(right))
            off = float(np.max(apart, initial=off))  # NaN comes through
    for array in inputs:
        array.fill(0.0)
    return off
