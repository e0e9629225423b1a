"""A loaded model that says which provider really runs it, and checks what it is fed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emostress_ros.errors import ModelCorruptError, SignalError
from emostress_ros.inference.backend import TensorSpec
from emostress_ros.inference.bound import BoundRun
from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.native import BuildListener
from emostress_ros.inference.opening import Wish, open_backend
from emostress_ros.inference.providers import PROVIDERS, check_provider

__all__ = ["PROVIDERS", "Session"]

logger = logging.getLogger(__name__)


class Session:
    """A loaded model.

    Args:
        model: a card (its weights are checked against their hash), or a path or the bytes of an
            ONNX model.
        providers: wanted providers, in order of preference, from :data:`PROVIDERS`.
        threads: threads of one operator; 1 keeps several nodes from fighting over cores.
        precision: of a TensorRT engine; see :mod:`~emostress_ros.inference.engines`.
        bind: bind inputs and outputs to the device's memory; None does so where it is not the
            CPU's.
        listener: hears how the building of a TensorRT engine gets on.
        outputs: what is wanted of the model; empty for all.  The CPU computes nothing else.

    Attributes:
        provider: the provider that really runs, of :data:`PROVIDERS`.
        variant: the card's file that runs: ``fp32``, or one of its variants.
        fallback: why the first wanted provider does not run; empty when it does.

    Raises:
        ParameterError: an unknown provider.
        ModelNotFoundError, ModelCorruptError: the weights are missing or damaged.
    """

    def __init__(
        self,
        model: ModelCard | Path | str | bytes,
        providers: Sequence[str] = ("cpu",),
        threads: int = 1,
        precision: str = "fp16",
        bind: bool | None = None,
        listener: BuildListener | None = None,
        outputs: Sequence[str] = (),
    ) -> None:
        self.name = model.identifier if isinstance(model, ModelCard) else _name_of(model)
        self.variant = model.precision if isinstance(model, ModelCard) else "fp32"
        if isinstance(model, ModelCard):
            model.check_weights()
        wanted = tuple(check_provider(name) for name in providers) or ("cpu",)
        engine = "int8" if self.variant == "int8" else precision
        wish = Wish(wanted, threads, engine, bind, listener, tuple(outputs))
        self._backend, self.fallback = open_backend(self.name, model, wish)
        self._inputs: Mapping[str, TensorSpec] = self._backend.inputs
        self.output_names = list(self._backend.output_names)
        self.provider = self._backend.provider
        if self.fallback:
            logger.warning("%s: %s", self.name, self.fallback)
        if isinstance(model, ModelCard):
            self._check_against(model, outputs or [tensor.name for tensor in model.outputs])

    @property
    def compiled(self) -> bool:
        """Whether kernels of this package run the model in place of the provider's own.

        Some of them run only what is bound, see :meth:`bound`.
        """
        return self._backend.compiled

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs, in the model's order."""
        return list(self._inputs)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the model once.

        Args:
            inputs: one array for every input, of the model's shape; the dtype is converted.

        Returns:
            every output under its name.

        Raises:
            SignalError: an input is missing, unknown, of another shape, or holds NaN.
            ModelError: what runs it failed.
        """
        results = self._backend.run(self._feed(inputs))
        return dict(zip(self.output_names, results, strict=True))

    def bound(self, inputs: Mapping[str, np.ndarray]) -> BoundRun:
        """Return a run over arrays that stay; for many runs of one shape, see :class:`BoundRun`.

        Args:
            inputs: as of :meth:`run`; what is written to them later is not checked.

        Raises:
            SignalError, ModelError: as :meth:`run`.
        """
        return BoundRun(self.name, self._backend, self._feed(inputs))

    def warm_up(self, runs: int = 2) -> bool:
        """Run one item of zeros, so that the first real one does not wait for what is made lazily.

        Returns:
            False, and nothing is run, where an item has no fixed size, such as a stretch of speech.
        """
        item: dict[str, np.ndarray] = {}
        for name, spec in self._inputs.items():
            shape = [size for size in spec.shape[1:] if isinstance(size, int)]
            if len(shape) != len(spec.shape) - 1:
                return False
            item[name] = np.zeros([1, *shape], spec.dtype)
        for _ in range(runs):
            self.run(item)
        return True

    def _feed(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        feed = {name: self._prepare(name, value) for name, value in inputs.items()}
        missing = set(self._inputs) - set(feed)
        if missing:
            raise SignalError(f"{self.name} lacks the inputs {', '.join(sorted(missing))}")
        return feed

    def _prepare(self, name: str, value: np.ndarray) -> np.ndarray:
        if name not in self._inputs:
            raise SignalError(f"{self.name} has no input '{name}'; it has {self.input_names}")
        expected = self._inputs[name]
        shape = expected.shape
        matches = len(shape) == value.ndim and all(
            not isinstance(want, int) or want == have
            for want, have in zip(shape, value.shape, strict=True)
        )
        if not matches:
            raise SignalError(
                f"{self.name}: '{name}' must be {list(shape)}; got {list(value.shape)}"
            )
        array: np.ndarray = np.ascontiguousarray(value, dtype=expected.dtype)
        if array.dtype != value.dtype and _cut_off(array, value):
            raise SignalError(f"{self.name}: '{name}' holds numbers that {array.dtype} cannot")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise SignalError(f"{self.name}: '{name}' holds NaN or infinity")
        return array

    def _check_against(self, card: ModelCard, wanted: Sequence[str]) -> None:
        for tensor in card.inputs:
            if tensor.name not in self._inputs:
                raise ModelCorruptError(
                    f"{self.name}: the card names the input '{tensor.name}', "
                    f"the model has {self.input_names}"
                )
        for tensor in card.outputs:
            if tensor.name in wanted and tensor.name not in self.output_names:
                raise ModelCorruptError(
                    f"{self.name}: the card names the output '{tensor.name}', "
                    f"the model has {self.output_names}"
                )


def _cut_off(array: np.ndarray, value: np.ndarray) -> bool:
    whole = value.dtype.kind in "iu" and array.dtype.kind in "iu"
    return whole and bool((array != value).any())


def _name_of(model: Path | str | bytes) -> str:
    return "model" if isinstance(model, bytes) else Path(model).stem
