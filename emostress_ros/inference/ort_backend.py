"""Models run by ONNX Runtime."""

from __future__ import annotations

import functools
import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from emostress_ros.errors import ModelCorruptError, ModelError
from emostress_ros.inference.backend import TensorSpec
from emostress_ros.inference.engines import engine_key, provider_options
from emostress_ros.inference.onnx_graph import Graph, read_graph
from emostress_ros.inference.ort_errors import ORT_ERRORS
from emostress_ros.inference.providers import PROVIDERS, SHORT
from emostress_ros.inference.separable import SeparableNetwork
from emostress_ros.inference.steps import compile_run

logger = logging.getLogger(__name__)
# The last where ONNX Runtime is older than plug-ins.
_NO_PLUGIN: tuple[type[Exception], ...] = (*ORT_ERRORS, ImportError, AttributeError, OSError)
_RTX = PROVIDERS["tensorrt_rtx"]

_NUMPY = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}


class OrtBackend:
    """A session of ONNX Runtime; see :class:`~emostress_ros.inference.backend.Backend`.

    Args:
        name: of the model, for errors.
        source: path or bytes of an ONNX model.
        providers: short names of what :func:`lacking` finds nothing wrong with, in order.
        threads: of one operator.
        precision: of a TensorRT engine.
        bind: bind inputs and outputs to the device's memory; None does so where it is not the
            CPU's.

    Attributes:
        compiled: whether compiled kernels run what was bound so far.

    Raises:
        ModelCorruptError: ONNX Runtime cannot load it.
    """

    def __init__(
        self,
        name: str,
        source: Path | str | bytes,
        providers: Sequence[str],
        threads: int,
        precision: str,
        bind: bool | None = None,
    ) -> None:
        self.name, self._source, self._threads = name, source, threads
        self.compiled = False
        self._session = _open(name, source, providers, threads, precision)
        self.provider = SHORT.get(used := self._session.get_providers()[0], used)
        self._bind = self.provider != "cpu" if bind is None else bind
        self.inputs = {
            item.name: TensorSpec(item.name, tuple(item.shape), np.dtype(_NUMPY[item.type]))
            for item in self._session.get_inputs()
        }
        self.output_names = [item.name for item in self._session.get_outputs()]

    def run(self, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Run once.

        Raises:
            ModelError: ONNX Runtime refused the inputs.
        """
        try:
            return self._run_bound(feed) if self._bind else list(self._session.run(None, feed))
        except ORT_ERRORS as error:
            raise ModelError(f"{self.name}: ONNX Runtime failed: {error}") from error

    def bind(
        self, inputs: Mapping[str, np.ndarray], outputs: Sequence[np.ndarray]
    ) -> Callable[[], object]:
        """Return a run over arrays that stay; it raises ONNX Runtime's own errors.

        On the CPU compiled kernels run what they can: networks of small tensors, and in one thread
        those of separable convolutions.
        """
        run = self._bound(inputs, outputs)
        if self.provider != "cpu":
            return run
        named = dict(zip(self.output_names, outputs, strict=True))
        steps: Callable[[], object] | None = compile_run(self.name, self._graph, inputs, named, run)
        if steps is None and self._threads == 1:  # ONNX Runtime shares the work among threads
            steps = self._separable.bind(inputs, named, run)
        self.compiled = self.compiled or steps is not None
        return steps or run

    def _bound(
        self, inputs: Mapping[str, np.ndarray], outputs: Sequence[np.ndarray]
    ) -> Callable[[], object]:
        binding = self._session.io_binding()
        for key, value in inputs.items():
            binding.bind_ortvalue_input(key, ort.OrtValue.ortvalue_from_numpy(value))
        for name, value in zip(self.output_names, outputs, strict=True):
            binding.bind_ortvalue_output(name, ort.OrtValue.ortvalue_from_numpy(value))
        return functools.partial(self._session.run_with_iobinding, binding)

    @functools.cached_property
    def _separable(self) -> SeparableNetwork:
        return SeparableNetwork(self.name, self._graph)

    @functools.cached_property
    def _graph(self) -> Graph:
        source = self._source
        return read_graph(source if isinstance(source, bytes) else Path(source).read_bytes())

    def _run_bound(self, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Run with one copy to the device and one back, in place of one for every operator."""
        binding = self._session.io_binding()
        for name, value in feed.items():
            binding.bind_cpu_input(name, value)
        for name in self.output_names:
            binding.bind_output(name)
        self._session.run_with_iobinding(binding)
        return list(binding.copy_outputs_to_cpu())


def lacking(provider: str) -> str:
    """Return why a provider cannot be used here, after the words ``<provider> is``; else nothing.

    A plug-in is loaded by being asked for.
    """
    if provider == "tensorrt_rtx":
        return _lacking_plugin()
    return "" if PROVIDERS[provider] in ort.get_available_providers() else "not installed"


def _open(
    name: str, source: Path | str | bytes, providers: Sequence[str], threads: int, precision: str
) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning worker threads would burn a core while the graph idles.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    chosen = [(PROVIDERS[item], _options(item, source, precision)) for item in providers]
    try:
        return ort.InferenceSession(
            source if isinstance(source, bytes) else str(source),
            options,
            **_keywords(options, chosen),
        )
    except ORT_ERRORS as error:
        raise ModelCorruptError(f"{name} cannot be loaded: {error}") from error


def _options(provider: str, source: Path | str | bytes, precision: str) -> dict[str, str]:
    """Return the options of a provider: TensorRT's keep their engines."""
    if not provider.startswith("tensorrt"):
        return {}
    model = source if isinstance(source, bytes) else Path(source).read_bytes()
    key = engine_key(model, provider, precision)
    options = dict(provider_options(provider, key))
    try:
        key.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("%s builds its engine at every start, as none can be kept: %s",
                       provider, error)  # fmt: skip
        return {name: value for name, value in options.items() if "_cache_" not in name}
    return options


def _keywords(options: ort.SessionOptions, chosen: list[tuple[str, dict[str, str]]]) -> Any:
    """Return the keyword for a session; a plug-in is chosen by its devices, in the options."""
    name, settings = chosen[0]
    if name != _RTX:
        return {"providers": [item for item in chosen if item[0] != _RTX]}
    options.add_provider_for_devices(_devices(name), settings)
    return {}


def _lacking_plugin() -> str:
    try:
        plugin = importlib.import_module("onnxruntime_ep_nv_tensorrt_rtx")
    except ModuleNotFoundError:
        return "not installed"
    except _NO_PLUGIN as error:
        return f"installed, but cannot be loaded: {error}"
    try:
        if not _devices(_RTX):
            _register(_RTX, plugin.get_library_path())
        return "" if _devices(_RTX) else "installed, but finds no GPU that it can use"
    except _NO_PLUGIN as error:
        return f"installed, but cannot be loaded: {error}"


@functools.lru_cache(maxsize=1)
def _register(name: str, library: str) -> None:
    """Register a plug-in's library; ONNX Runtime refuses to do it twice."""
    ort.register_execution_provider_library(name, library)


def _devices(provider: str) -> list[Any]:
    return [device for device in ort.get_ep_devices() if device.ep_name == provider]
