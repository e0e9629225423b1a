"""An engine that runs: its inputs go to the GPU, its outputs come back, the memory stays."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from emostress_ros.errors import ModelError, ProviderError, SignalError
from emostress_ros.inference.backend import TensorSpec
from emostress_ros.inference.native.batches import in_parts
from emostress_ros.inference.native.buffers import Buffer
from emostress_ros.inference.native.runtime import Runtime
from emostress_ros.inference.providers import NATIVE

_NUMPY = {
    "FLOAT": np.float32, "HALF": np.float16, "INT8": np.int8, "INT32": np.int32,
    "INT64": np.int64, "BOOL": np.bool_, "UINT8": np.uint8,
}  # fmt: skip
"""TensorRT's types by name; until TensorRT 9 the parser makes int32 of int64."""

Shape = tuple[int, ...]


class NativeEngine:
    """A model that TensorRT runs; see :class:`~emostress_ros.inference.backend.Backend`.

    Args:
        name: of the model, for errors.
        runtime: TensorRT and the GPU.
        plan: a serialised engine.

    Raises:
        ProviderError: TensorRT cannot read the engine, or it has what this class does not run.
    """

    provider = NATIVE
    compiled = False

    def __init__(self, name: str, runtime: Runtime, plan: bytes) -> None:
        self.name, self._runtime = name, runtime
        trt, log, self._cuda = runtime.trt, runtime.log, runtime.cuda
        log.errors = []
        # The runtime must outlive the engine, and the engine its context.
        self._reader = trt.Runtime(log)
        self._engine = self._reader.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ProviderError(f"TensorRT cannot read the engine: {'; '.join(log.errors)}")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise ProviderError(f"the GPU has no room for the engine: {'; '.join(log.errors)}")
        self._take_inventory()
        self._stream = self._cuda.stream()
        freeing = weakref.finalize(self, self._cuda.release, "cudaStreamDestroy", self._stream)
        freeing.atexit = False
        self._shapes: dict[str, Shape] = {}
        self._views: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()
        self._shape_all({key: least for key, (least, _) in self._limits.items()})

    def run(self, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Run once, or in parts where there are more items than the engine takes, or none.

        Raises:
            SignalError: an axis is larger or smaller than what the engine was built for.
            ModelError: TensorRT or CUDA failed.
        """
        limits = {name: most[0] for name, (_, most) in self._limits.items() if most}
        with self._lock:
            return in_parts(feed, limits, self._varying, self._run_once)

    def bind(
        self, inputs: Mapping[str, np.ndarray], outputs: Sequence[np.ndarray]
    ) -> Callable[[], object]:
        """Return a run over arrays that stay."""

        def run() -> None:
            for kept, value in zip(outputs, self.run(inputs), strict=True):
                kept[...] = value

        return run

    def _take_inventory(self) -> None:
        engine, trt = self._engine, self._runtime.trt
        self.inputs: dict[str, TensorSpec] = {}
        self.output_names: list[str] = []
        self._limits: dict[str, tuple[Shape, Shape]] = {}
        self._buffers: dict[str, Buffer] = {}
        for place in range(engine.num_io_tensors):
            name = engine.get_tensor_name(place)
            dtype = self._dtype(name)
            self._buffers[name] = Buffer(self._cuda, dtype)
            if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
                least, most = self._limits[name] = self._limits_of(name)
                self.inputs[name] = TensorSpec(name, _told(least, most), dtype)
            else:
                self.output_names.append(name)
        # Inputs whose first axis varies: they hold the items of a batch.
        self._varying = [
            key for key, (least, most) in self._limits.items() if least[:1] != most[:1]
        ]

    def _dtype(self, name: str) -> np.dtype[Any]:
        kind = self._engine.get_tensor_dtype(name)
        if self._engine.get_tensor_location(name) != self._runtime.trt.TensorLocation.DEVICE:
            raise ProviderError(f"'{name}' has to be in the CPU's memory: it is used as a shape")
        if kind.name not in _NUMPY:
            raise ProviderError(f"'{name}' is of {kind.name}, which numpy does not have")
        return np.dtype(_NUMPY[kind.name])

    def _limits_of(self, name: str) -> tuple[Shape, Shape]:
        shape = tuple(self._engine.get_tensor_shape(name))
        if all(size >= 0 for size in shape):
            return shape, shape
        least, _, most = self._engine.get_tensor_profile_shape(name, 0)
        return tuple(least), tuple(most)

    def _run_once(self, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        self._shape_all({name: value.shape for name, value in feed.items()})
        for name, value in feed.items():
            buffer = self._buffers[name]
            self._views[name][...] = value
            buffer.send(value.shape, self._stream)
        if not self._context.execute_async_v3(self._stream):
            raise ModelError(f"{self.name}: TensorRT failed: {self._last()}")
        for name in self.output_names:
            self._buffers[name].fetch(self._shapes[name], self._stream)
        self._cuda.synchronize(self._stream)
        return [self._views[name].copy() for name in self.output_names]

    def _shape_all(self, shapes: Mapping[str, Shape]) -> None:
        """Tell TensorRT the inputs' shapes, learn those of the outputs, and have room for all."""
        if all(self._shapes.get(name) == shape for name, shape in shapes.items()):
            return
        self._shapes = {}  # until all is done: a refusal leaves nothing that seems set
        for name, shape in shapes.items():
            self._check(name, shape)
            if not self._context.set_input_shape(name, shape):
                raise ModelError(f"{self.name}: TensorRT refused {shape} of '{name}'")
        missing = self._context.infer_shapes()
        found = dict(shapes)
        for name in self.output_names:
            found[name] = tuple(self._context.get_tensor_shape(name))
            if missing or any(size < 0 for size in found[name]):
                raise ProviderError(f"the size of '{name}' depends on what the inputs hold")
        for name, shape in found.items():
            if self._buffers[name].reserve(shape):
                self._context.set_tensor_address(name, self._buffers[name].address)
        self._views = {name: self._buffers[name].view(shape) for name, shape in found.items()}
        self._shapes = found

    def _check(self, name: str, shape: Shape) -> None:
        least, most = self._limits[name]
        if len(shape) != len(most) or not all(
            low <= size <= high for low, size, high in zip(least, shape, most, strict=True)
        ):
            raise SignalError(
                f"{self.name}: '{name}' must be {list(_told(least, most))}, for which the engine "
                f"was built; got {list(shape)}"
            )

    def _last(self) -> str:
        return "; ".join(self._runtime.log.errors) or "it does not say why"


def _told(least: Shape, most: Shape) -> tuple[int | str, ...]:
    return tuple(
        low if low == high else f"{low}..{high}" for low, high in zip(least, most, strict=True)
    )
