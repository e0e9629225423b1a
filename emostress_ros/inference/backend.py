"""What a session asks of whatever runs its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class TensorSpec:
    """An input of a loaded model.

    Attributes:
        shape: sizes; what is no integer may vary.
        dtype: what the array has to be made of.
    """

    name: str
    shape: tuple[int | str | None, ...]
    dtype: np.dtype[Any]


class Backend(Protocol):
    """A model that is ready to run."""

    @property
    def provider(self) -> str:
        """What really runs it, of :data:`~emostress_ros.inference.providers.PROVIDERS`."""

    @property
    def compiled(self) -> bool:
        """Whether kernels of this package run it, so far, in place of the provider's own."""

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """Inputs by name, in the model's order."""

    @property
    def output_names(self) -> Sequence[str]:
        """Outputs, in the model's order."""

    def run(self, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Run on contiguous arrays of the inputs' dtypes; return the outputs in order.

        Raises:
            ModelError: it failed.
            SignalError: a size is not among those that the model takes.
        """

    def bind(
        self, inputs: Mapping[str, np.ndarray], outputs: Sequence[np.ndarray]
    ) -> Callable[[], object]:
        """Return what runs on what ``inputs`` hold at that time, and overwrites ``outputs``.

        The arrays stay where they are; calls are those of one thread at a time.
        """
