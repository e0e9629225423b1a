"""Networks of small tensors, run by compiled kernels in place of ONNX Runtime.

ONNX Runtime takes about a microsecond for a node however small its tensors are, and gives the
interpreter's lock away for each run.  A fusion has fifty nodes over a few hundred numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from emostress_ros.inference.onnx_graph import Graph
from emostress_ros.inference.steps import arithmetic, views  # noqa: F401  they register operations
from emostress_ros.inference.steps.lowering import lower
from emostress_ros.inference.steps.program import Program
from emostress_ros.inference.steps.step import FloatArray
from emostress_ros.inference.trial import TOLERANCE, Run, UnsupportedError, off_by

__all__ = ["compile_run"]

logger = logging.getLogger(__name__)
_TRIALS = 3


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
    random, off = np.random.default_rng(0), 0.0
    for _ in range(_TRIALS):
        for array in inputs.values():
            array[...] = random.normal(size=array.shape)
        off = float(np.maximum(off, off_by(program, reference, list(outputs.values()))))
    for array in inputs.values():
        array.fill(0.0)
    if not off <= TOLERANCE:
        logger.warning("%s: compiled steps are %.2g off and are not used", name, off)
        return None
    return program
