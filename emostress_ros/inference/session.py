"""An ONNX Runtime session that says which provider really runs, and checks what it is fed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state

from emostress_ros.errors import ModelCorruptError, ModelError, ParameterError, SignalError
from emostress_ros.inference.card import ModelCard

logger = logging.getLogger(__name__)

PROVIDERS: Mapping[str, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Names of the execution providers in parameters and cards, in the usual order of preference."""

# ONNX Runtime's own exceptions share no base class but Exception.
ORT_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    *(
        item
        for item in vars(onnxruntime_pybind11_state).values()
        if isinstance(item, type) and issubclass(item, Exception)
    ),
)

_NUMPY = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}


class Session:
    """A loaded model.

    Args:
        model: a card (its weights are checked against their hash), or a path or the bytes of an
            ONNX model.
        providers: wanted providers, in order of preference, from :data:`PROVIDERS`.
        threads: threads of one operator; 1 keeps several nodes from fighting over cores.

    Attributes:
        provider: the provider that really runs (``cpu``, ``cuda``, ``tensorrt``).
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
    ) -> None:
        self.name = model.identifier if isinstance(model, ModelCard) else _name_of(model)
        if isinstance(model, ModelCard):
            model.check_weights()
        wanted = [_provider(name) for name in providers] or ["CPUExecutionProvider"]
        available = ort.get_available_providers()
        usable = [name for name in wanted if name in available]
        self._session = self._open(model, usable or ["CPUExecutionProvider"], threads)
        self._inputs = {item.name: item for item in self._session.get_inputs()}
        self.output_names = [item.name for item in self._session.get_outputs()]
        self.provider, self.fallback = self._really_used(wanted, available)
        if self.fallback:
            logger.warning("%s: %s", self.name, self.fallback)
        if isinstance(model, ModelCard):
            self._check_against(model)

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
            ModelError: ONNX Runtime refused the inputs.
        """
        feed = {name: self._prepare(name, value) for name, value in inputs.items()}
        missing = set(self._inputs) - set(feed)
        if missing:
            raise SignalError(f"{self.name} lacks the inputs {', '.join(sorted(missing))}")
        try:
            results = self._session.run(None, feed)
        except ORT_ERRORS as error:
            raise ModelError(f"{self.name}: ONNX Runtime failed: {error}") from error
        return dict(zip(self.output_names, results, strict=True))

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
            raise SignalError(f"{self.name}: '{name}' must be {shape}; got {list(value.shape)}")
        array: np.ndarray = np.ascontiguousarray(value, dtype=_NUMPY[expected.type])
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise SignalError(f"{self.name}: '{name}' holds NaN or infinity")
        return array

    def _open(
        self, model: ModelCard | Path | str | bytes, providers: list[str], threads: int
    ) -> ort.InferenceSession:
        source: Any = model.file if isinstance(model, ModelCard) else model
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning worker threads would burn a core while the graph idles.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return ort.InferenceSession(
                source if isinstance(source, bytes) else str(source), options, providers=providers
            )
        except ORT_ERRORS as error:
            raise ModelCorruptError(f"{self.name} cannot be loaded: {error}") from error

    def _really_used(self, wanted: list[str], available: list[str]) -> tuple[str, str]:
        short = {long: name for name, long in PROVIDERS.items()}
        used = self._session.get_providers()[0]
        if used == wanted[0]:
            return short.get(used, used), ""
        reason = "not installed" if wanted[0] not in available else "it could not be started"
        return short.get(used, used), (
            f"wanted {short[wanted[0]]}, runs on {short.get(used, used)}: "
            f"{short[wanted[0]]} is {reason}"
        )

    def _check_against(self, card: ModelCard) -> None:
        for tensor in card.inputs:
            if tensor.name not in self._inputs:
                raise ModelCorruptError(
                    f"{self.name}: the card names the input '{tensor.name}', "
                    f"the model has {self.input_names}"
                )
        for tensor in card.outputs:
            if tensor.name not in self.output_names:
                raise ModelCorruptError(
                    f"{self.name}: the card names the output '{tensor.name}', "
                    f"the model has {self.output_names}"
                )


def _name_of(model: Path | str | bytes) -> str:
    return "model" if isinstance(model, bytes) else Path(model).stem


def _provider(name: str) -> str:
    if name not in PROVIDERS:
        raise ParameterError(f"provider must be one of {', '.join(PROVIDERS)}; got '{name}'")
    return PROVIDERS[name]
