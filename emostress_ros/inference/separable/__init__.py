"""Networks of separable convolutions, run by a compiled kernel in place of ONNX Runtime.

The face detector's net is so small that a third of ONNX Runtime's time goes into putting tensors
into the order that its convolutions want and back.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from emostress_ros.inference.onnx_graph import Array, Graph
from emostress_ros.inference.separable.matching import Layer, match
from emostress_ros.inference.separable.program import Program
from emostress_ros.inference.steps.step import UnsupportedError

__all__ = ["SeparableNetwork"]

logger = logging.getLogger(__name__)
_TIMED = 3  # runs
_TOLERANCE = 1e-3  # tells a wrong step from the rounding of a right one
Run = Callable[[], object]


class SeparableNetwork:
    """A model that the kernel runs, if it can, says the same and takes less time.

    Args:
        name: of the model, for the log.
        graph: of the model.
    """

    def __init__(self, name: str, graph: Graph) -> None:
        self.name, self._graph = name, graph
        self._preferred: bool | None = None  # not known before it was tried

    def bind(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], reference: Run
    ) -> Run | None:
        """Return what runs the model on arrays that stay; None where the reference is to.

        The first time it is tried on a made-up image: what says anything else than the reference is
        not used, nor what takes longer, as on a processor whose vectors are short.

        Args:
            inputs: by name, contiguous; what they hold is lost.
            outputs: by name, contiguous.
            reference: does the same.
        """
        if self._preferred is False:
            return None
        try:
            program = Program(self._layers, inputs, outputs)
        except UnsupportedError as error:
            logger.debug("%s is run by ONNX Runtime: %s", self.name, error)
            self._preferred = False
            return None
        if self._preferred is None:
            (images,) = inputs.values()
            images[...] = np.random.default_rng(0).uniform(0.0, 255.0, images.shape)
            same = self._says_the_same(program, reference, list(outputs.values()))
            self._preferred = same and _least_time(program) < _least_time(reference)
            images.fill(0.0)
        return program if self._preferred else None

    @functools.cached_property
    def _layers(self) -> list[Layer]:
        return match(self._graph)

    def _says_the_same(self, program: Run, reference: Run, outputs: Sequence[Array]) -> bool:
        reference()
        wanted = [array.copy() for array in outputs]
        for array in outputs:
            array.fill(np.nan)
        program()
        off = 0.0
        for found, right in zip(outputs, wanted, strict=True):
            apart = np.abs(found - right) / np.maximum(1.0, np.abs(right))
            off = float(np.max(apart, initial=off))  # NaN comes through
        if not off <= _TOLERANCE:
            logger.warning("%s: the kernel of separable convolutions is %.2g off", self.name, off)
        return off <= _TOLERANCE


def _least_time(run: Run) -> float:
    """Return the shortest of a few runs, s."""
    times = []
    for _ in range(_TIMED):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)
