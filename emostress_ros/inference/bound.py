"""Runs of one shape over arrays that stay, for models so small that the way to them is the cost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from emostress_ros.errors import ModelError
from emostress_ros.inference.backend import Backend
from emostress_ros.inference.ort_errors import ORT_ERRORS


class BoundRun:
    """Runs a model on the same arrays again and again: nothing is allocated, checked or copied.

    Inputs and outputs are bound once, so that a run is spared making values of the arrays, looking
    names up and making arrays of the results: 15 µs with the fusion.  One thread at a time.

    Args:
        name: of the model, for errors.
        backend: runs the model.
        inputs: every input, of its dtype and of the shape that all runs will have; they are kept,
            and are written to before each run.

    Attributes:
        outputs: in the model's order, overwritten by each run.

    Raises:
        ModelError: an output is not of float32.
    """

    def __init__(self, name: str, backend: Backend, inputs: Mapping[str, np.ndarray]) -> None:
        self.name = name
        self.inputs = {key: np.ascontiguousarray(value) for key, value in inputs.items()}
        results = backend.run(self.inputs)
        if any(value.dtype != np.float32 for value in results):
            raise ModelError(f"{name}: outputs must be float32 to be bound")
        self.outputs = [np.zeros_like(value, order="C") for value in results]
        self._run = backend.bind(self.inputs, self.outputs)

    def run(self) -> list[np.ndarray]:
        """Run on what :attr:`inputs` hold now; return :attr:`outputs`.

        Raises:
            ModelError: the model failed.
        """
        try:
            self._run()
        except ORT_ERRORS as error:
            raise ModelError(f"{self.name}: ONNX Runtime failed: {error}") from error
        return self.outputs
