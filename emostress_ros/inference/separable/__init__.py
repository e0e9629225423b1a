"""Networks of separable convolutions, run by a compiled kernel in place of ONNX Runtime.

The face detector's net is so small that a third of ONNX Runtime's time goes into putting tensors
into the order that its convolutions want and back.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Mapping

import numpy as np

from emostress_ros.inference.onnx_graph import Array, Graph
from emostress_ros.inference.separable.matching import Layer, match
from emostress_ros.inference.separable.program import Program
from emostress_ros.inference.trial import TOLERANCE, Run, UnsupportedError, off_by

__all__ = ["SeparableNetwork"]

logger = logging.getLogger(__name__)
_TIMED = 3  # runs


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
            off = off_by(program, reference, list(outputs.values()))
            if not off <= TOLERANCE:
                logger.warning("%s: the kernel of separable convolutions is %.2g off",
                               self.name, off)  # fmt: skip
            same = off <= TOLERANCE
            self._preferred = same and _least_time(program) < _least_time(reference)
            images.fill(0.0)
        return program if self._preferred else None

    @functools.cached_property
    def _layers(self) -> list[Layer]:
        return match(self._graph)


def _least_time(run: Run) -> float:
    """Return the shortest of a few runs, s."""
    times = []
    for _ in range(_TIMED):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)
