"""TensorRT as far as the package needs it, without a GPU.

What the package calls behaves as NVIDIA documents it: names and signatures were compared with the
bindings of TensorRT 8.6, 10.16 and 11.4.  An engine computes its network by ONNX Runtime, on the
memory of :mod:`fake_cudart`.
"""

from __future__ import annotations

import enum
import functools
import json
import types
from typing import Any

import numpy as np
import onnxruntime
from fake_cudart import Cudart

_KINDS = {
    "tensor(float)": ("FLOAT", "f4"), "tensor(uint8)": ("UINT8", "u1"),
    "tensor(int64)": ("INT64", "i8"), "tensor(int32)": ("INT32", "i4"),
    "tensor(bool)": ("BOOL", "?"),
}  # fmt: skip


def fake_tensorrt(cudart: Cudart, version: str = "10.3.0") -> types.ModuleType:
    """Return a module ``tensorrt`` of a version; its ``builds`` counts engines that were built."""
    major = int(version.split(".")[0])
    trt = types.ModuleType("tensorrt")
    trt.__version__, trt.builds, trt.cudart, trt.major = version, 0, cudart, major
    flags = ["TF32", *(["FP16", "INT8"] if major < 11 else [])]
    trt.BuilderFlag = enum.Enum("BuilderFlag", flags)
    trt.NetworkDefinitionCreationFlag = enum.IntEnum(
        "NetworkDefinitionCreationFlag", ["STRONGLY_TYPED" if major > 9 else "EXPLICIT_BATCH"]
    )
    trt.MemoryPoolType = enum.Enum("MemoryPoolType", ["WORKSPACE"])
    trt.TensorIOMode = enum.Enum("TensorIOMode", ["NONE", "INPUT", "OUTPUT"])
    trt.TensorLocation = enum.Enum("TensorLocation", ["DEVICE", "HOST"])
    trt.DataType = enum.Enum("DataType", ["FLOAT", "HALF", "INT32", "INT64", "BOOL", "UINT8"])
    trt.init_libnvinfer_plugins = lambda logger, namespace: namespace == ""
    trt.ILogger = type("ILogger", (), {"INTERNAL_ERROR": 0, "ERROR": 1, "WARNING": 2})
    for item in (Builder, OnnxParser, Runtime):
        setattr(trt, item.__name__, type(item.__name__, (item,), {"trt": trt}))
    if major >= 10:
        trt.IProgressMonitor = type("IProgressMonitor", (), {})
    return trt


@functools.lru_cache(maxsize=4)
def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options)


class Tensor:
    is_shape_tensor = False

    def __init__(self, item: Any) -> None:
        self.name = item.name
        self.shape = [size if isinstance(size, int) else -1 for size in item.shape]


class Network:
    model = b""

    @property
    def num_inputs(self) -> int:
        return len(_session(self.model).get_inputs())

    def get_input(self, index: int) -> Tensor:
        return Tensor(_session(self.model).get_inputs()[index])


class OnnxParser:
    """Takes what ONNX Runtime takes, but no trees, no uint8 in quantisation and no int32 biases."""

    trt: Any

    def __init__(self, network: Network, logger: Any) -> None:
        self.network, self.num_errors = network, 0

    def parse(self, model: bytes) -> bool:
        self.refused = next(
            (
                word
                for word in ("TreeEnsembleRegressor", "bias_quantized_scale")
                if _holds(model, word)
            ),
            "",
        )
        self.num_errors = int(bool(self.refused))
        self.network.model = model
        return not self.refused

    def get_error(self, index: int) -> Any:
        told = {"node": lambda: 7, "desc": lambda: f"no importer registered for {self.refused}"}
        if self.trt.major >= 10:
            told["node_operator"] = lambda: self.refused
        return types.SimpleNamespace(**told)


@functools.lru_cache(maxsize=4)
def _holds(model: bytes, word: str) -> bool:
    import onnx

    graph = onnx.load_from_string(model).graph
    if word == "TreeEnsembleRegressor":
        return any(node.op_type == word for node in graph.node)
    quantised = [node for node in graph.node if node.op_type.endswith("quantizeLinear")]
    kinds = {item.name: item.data_type for item in graph.initializer}
    wrong = (onnx.TensorProto.UINT8, onnx.TensorProto.INT32)
    return any(kinds.get(name) in wrong for node in quantised for name in node.input)


class Config:
    def __init__(self) -> None:
        self.flags, self.profile, self.limits = [], {}, {}
        self.cache: Any = None
        self.progress_monitor: Any = None

    def set_flag(self, flag: Any) -> None:
        self.flags.append(flag.name)

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        self.limits[pool.name] = size

    def add_optimization_profile(self, profile: Any) -> int:
        self.profile = profile.shapes
        return 0

    def create_timing_cache(self, content: bytes) -> Any:
        return types.SimpleNamespace(content=content, serialize=lambda: b"timed")

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        self.cache = cache if cache.content in (b"", b"timed") else None
        return self.cache is not None

    def get_timing_cache(self) -> Any:
        return self.cache


class Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, Any] = {}

    def set_shape(self, name: str, least: Any, usual: Any, most: Any) -> None:
        self.shapes[name] = [list(least), list(usual), list(most)]


class Builder:
    trt: Any
    create_builder_config = staticmethod(Config)
    create_optimization_profile = staticmethod(Profile)

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    def create_network(self, flags: int = 0) -> Network:
        return Network()

    def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
        trt, monitor = self.trt, config.progress_monitor
        trt.builds += 1
        trt.last = config
        if monitor is not None:
            monitor.phase_start("Building Engine", None, 2)
            monitor.phase_start("Tactics", "Building Engine", 1)
            assert monitor.step_complete("Tactics", 0)
            monitor.phase_finish("Tactics")
            monitor.phase_finish("Building Engine")
        varying = [
            item.name for item in map(network.get_input, range(network.num_inputs))
            if -1 in item.shape
        ]  # fmt: skip
        if set(varying) - set(config.profile):
            self.logger.log(trt.ILogger.ERROR, "Network has dynamic inputs, but no profile")
            return None
        told = {"profile": config.profile, "version": trt.__version__}
        return json.dumps(told).encode() + b"\n" + network.model


class Runtime:
    trt: Any

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
        head, _, model = plan.partition(b"\n")
        told = json.loads(head)
        if told["version"] != self.trt.__version__:
            self.logger.log(self.trt.ILogger.ERROR, "the engine is of another version")
            return None
        return Engine(self.trt, told["profile"], _session(model))


class Engine:
    def __init__(self, trt: Any, profile: Any, session: onnxruntime.InferenceSession) -> None:
        self.trt, self.profile, self.session = trt, profile, session
        self.inputs = {item.name: item for item in session.get_inputs()}
        self.outputs = {item.name: item for item in session.get_outputs()}
        self.items = self.inputs | self.outputs
        self.num_io_tensors = len(self.items)

    def get_tensor_name(self, index: int) -> str:
        return list(self.items)[index]

    def get_tensor_mode(self, name: str) -> Any:
        modes = self.trt.TensorIOMode
        return modes.INPUT if name in self.inputs else modes.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        kind = _KINDS[self.items[name].type][0]
        narrow = kind == "INT64" and self.trt.major < 10
        return self.trt.DataType["INT32" if narrow else kind]

    def get_tensor_location(self, name: str) -> Any:
        return self.trt.TensorLocation.DEVICE

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(Tensor(self.items[name]).shape)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        return [tuple(shape) for shape in self.profile[name]]

    def create_execution_context(self) -> Context:
        return Context(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self.engine, self.addresses = engine, {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.learned: dict[Any, list[tuple[int, ...]]] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, _, most = self.engine.profile.get(name, [shape] * 3)
        inside = all(a <= b <= c for a, b, c in zip(least, shape, most, strict=True))
        self.shapes |= {name: shape} if inside else {}
        return inside

    def infer_shapes(self) -> list[str]:
        return [name for name in self.engine.inputs if name not in self.shapes]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        """Learn a shape by running the network on zeros, which is what a fake can do."""
        if name in self.shapes:
            return self.shapes[name]
        key = tuple(sorted(self.shapes.items()))
        if key not in self.learned:
            zeros = {item: np.zeros(shape, self._dtype(item)) for item, shape in key}
            self.learned[key] = [value.shape for value in self.engine.session.run(None, zeros)]
        return tuple(self.learned[key][list(self.engine.outputs).index(name)])

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self.addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        if set(self.addresses) != set(self.engine.items) or self.infer_shapes():
            return False
        self.engine.trt.cudart.queue.append(self._execute)
        return True

    def _execute(self) -> None:
        feed = {
            name: self._array(name, shape).astype(self._dtype(name))
            for name, shape in self.shapes.items()
        }
        for name, value in zip(
            self.engine.outputs, self.engine.session.run(None, feed), strict=True
        ):
            self._array(name, value.shape)[...] = value

    def _array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        block = self.engine.trt.cudart.blocks[self.addresses[name]]
        kind = {"INT32": "i4", "INT64": "i8", "FLOAT": "f4", "UINT8": "u1", "BOOL": "?"}
        dtype = np.dtype(kind[self.engine.get_tensor_dtype(name).name])
        return np.frombuffer(block, dtype, int(np.prod(shape))).reshape(shape)

    def _dtype(self, name: str) -> str:
        return _KINDS[self.engine.items[name].type][1]
