"""An ONNX Runtime session that says which provider really runs, and checks what it is fed."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from emostress_ros.errors import ModelCorruptError, ModelError, ParameterError, SignalError
from emostress_ros.inference.bound import BoundRun
from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.engines import engine_key, provider_options
from emostress_ros.inference.ort_errors import ORT_ERRORS

logger = logging.getLogger(__name__)

PROVIDERS: Mapping[str, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "tensorrt_rtx": "NvTensorRTRTXExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Names of the execution providers in parameters and cards, in the usual order of preference."""

# The last where ONNX Runtime is older than plug-ins.
_NO_PLUGIN: tuple[type[Exception], ...] = (*ORT_ERRORS, ImportError, AttributeError)

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
        precision: of a TensorRT engine; see :mod:`~emostress_ros.inference.engines`.
        bind: bind inputs and outputs to the device's memory; None does so where it is not the
            CPU's.

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
    ) -> None:
        self.name = model.identifier if isinstance(model, ModelCard) else _name_of(model)
        self.variant = model.precision if isinstance(model, ModelCard) else "fp32"
        if isinstance(model, ModelCard):
            model.check_weights()
        wanted = [_provider(name) for name in providers] or ["CPUExecutionProvider"]
        available = [*ort.get_available_providers(), *_plugged_in(wanted)]
        usable = [name for name in wanted if name in available] or ["CPUExecutionProvider"]
        self._session = self._open(
            model, usable, threads, "int8" if self.variant == "int8" else precision
        )
        self._inputs = {item.name: item for item in self._session.get_inputs()}
        self.output_names = [item.name for item in self._session.get_outputs()]
        self.provider, self.fallback = self._really_used(wanted, available)
        if self.fallback:
            logger.warning("%s: %s", self.name, self.fallback)
        if isinstance(model, ModelCard):
            self._check_against(model)
        self._bind = self.provider != "cpu" if bind is None else bind

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
        feed = self._feed(inputs)
        try:
            results = self._run_bound(feed) if self._bind else self._session.run(None, feed)
        except ORT_ERRORS as error:
            raise ModelError(f"{self.name}: ONNX Runtime failed: {error}") from error
        return dict(zip(self.output_names, results, strict=True))

    def bound(self, inputs: Mapping[str, np.ndarray]) -> BoundRun:
        """Return a run over arrays that stay; for many runs of one shape, see :class:`BoundRun`.

        Args:
            inputs: as of :meth:`run`; what is written to them later is not checked.

        Raises:
            SignalError, ModelError: as :meth:`run`.
        """
        feed = self._feed(inputs)
        try:
            return BoundRun(self.name, self._session, feed)
        except ORT_ERRORS as error:
            raise ModelError(f"{self.name}: ONNX Runtime failed: {error}") from error

    def warm_up(self, runs: int = 2) -> bool:
        """Run one item of zeros, so that the first real one does not wait for what is made lazily.

        Returns:
            False, and nothing is run, where an item has no fixed size, such as a stretch of speech.
        """
        shapes = {name: [1, *item.shape[1:]] for name, item in self._inputs.items()}
        if not all(isinstance(size, int) for shape in shapes.values() for size in shape):
            return False
        item: dict[str, np.ndarray] = {
            name: np.zeros(shape, _NUMPY[self._inputs[name].type]) for name, shape in shapes.items()
        }
        for _ in range(runs):
            self.run(item)
        return True

    def _run_bound(self, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Run with one copy to the device and one back, in place of one for every operator."""
        binding = self._session.io_binding()
        for name, value in feed.items():
            binding.bind_cpu_input(name, value)
        for name in self.output_names:
            binding.bind_output(name)
        self._session.run_with_iobinding(binding)
        return list(binding.copy_outputs_to_cpu())

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
            raise SignalError(f"{self.name}: '{name}' must be {shape}; got {list(value.shape)}")
        array: np.ndarray = np.ascontiguousarray(value, dtype=_NUMPY[expected.type])
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise SignalError(f"{self.name}: '{name}' holds NaN or infinity")
        return array

    def _open(
        self,
        model: ModelCard | Path | str | bytes,
        providers: list[str],
        threads: int,
        precision: str,
    ) -> ort.InferenceSession:
        source: Any = model.file if isinstance(model, ModelCard) else model
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning worker threads would burn a core while the graph idles.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        chosen = [(name, _options(name, source, precision)) for name in providers]
        try:
            return ort.InferenceSession(
                source if isinstance(source, bytes) else str(source),
                options,
                **_providers(options, chosen),
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


def _options(provider: str, source: Path | str | bytes, precision: str) -> dict[str, str]:
    """Return the options of a provider by its long name: TensorRT's keep their engines."""
    short = next(name for name, long in PROVIDERS.items() if long == provider)
    if not short.startswith("tensorrt"):
        return {}
    model = source if isinstance(source, bytes) else Path(source).read_bytes()
    key = engine_key(model, short, precision)
    key.folder.mkdir(parents=True, exist_ok=True)
    return dict(provider_options(short, key))


def _plugged_in(wanted: Sequence[str]) -> list[str]:
    """Return the names of plug-in providers that are asked for and have a device here."""
    name = PROVIDERS["tensorrt_rtx"]
    if name not in wanted:
        return []
    try:
        if not _devices(name):
            plugin = importlib.import_module("onnxruntime_ep_nv_tensorrt_rtx")
            ort.register_execution_provider_library(name, plugin.get_library_path())
        return [name] if _devices(name) else []
    except _NO_PLUGIN as error:
        # The fallback tells what runs in its place; this says why.
        logger.warning("TensorRT-RTX cannot be used: %s", error)
        return []


def _devices(provider: str) -> list[Any]:
    return [device for device in ort.get_ep_devices() if device.ep_name == provider]


def _providers(options: ort.SessionOptions, chosen: list[tuple[str, dict[str, str]]]) -> Any:
    """Return the keyword for a session; a plug-in is chosen by its devices, in the options."""
    name, settings = chosen[0]
    if name != PROVIDERS["tensorrt_rtx"]:
        return {"providers": chosen}
    options.add_provider_for_devices(_devices(name), settings)
    return {}


def _provider(name: str) -> str:
    if name not in PROVIDERS:
        raise ParameterError(f"provider must be one of {', '.join(PROVIDERS)}; got '{name}'")
    return PROVIDERS[name]
