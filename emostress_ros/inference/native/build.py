"""An engine is compiled from an ONNX model for one GPU."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from emostress_ros.errors import ProviderError
from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.native import store
from emostress_ros.inference.native.profile import profile_of
from emostress_ros.inference.native.rewrite import prepared
from emostress_ros.inference.native.runtime import Runtime

logger = logging.getLogger(__name__)

_WORKSPACE_BYTES = 1 << 30
_WORKSPACE_SHARE = 4  # at most a quarter of the memory, which a Jetson's CPU shares
_IMPLICIT_BATCH_GONE = 10  # major version from which there is no other kind of network
_FLAGS = {"fp32": (), "fp16": ("FP16",), "int8": ("FP16", "INT8")}
# What a binding of C++ raises when it cannot make an object.
_REFUSED = (RuntimeError, TypeError)


class BuildListener(Protocol):
    """Hears how a build gets on; phases lie within each other, and come from several threads."""

    def phase_start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of so many steps begins."""

    def step_complete(self, name: str, step: int) -> None:
        """A step of a phase is done."""

    def phase_finish(self, name: str) -> None:
        """A phase is over, whether or not all its steps were taken."""


def build_engine(
    runtime: Runtime,
    model: bytes,
    card: ModelCard | None,
    precision: str,
    timing: Path,
    listener: BuildListener | None = None,
) -> bytes:
    """Compile a model; this takes from seconds to minutes.

    Args:
        runtime: TensorRT and the GPU.
        model: an ONNX file.
        card: says how large the axes of the inputs may be.
        precision: ``fp32`` (TF32 where the GPU has it), ``fp16``, or ``int8`` of a model with
            quantisation scales, the rest in fp16; see :mod:`.rewrite` for TensorRT 11.
        timing: file of what TensorRT measured in earlier builds; it is read and written.
        listener: hears how it gets on, from TensorRT 10 on.

    Returns:
        the serialised engine.

    Raises:
        ProviderError: TensorRT cannot take the model; says which operator or input.
    """
    trt, log = runtime.trt, runtime.log
    log.errors = []
    try:
        builder = trt.Builder(log)
        network = builder.create_network(_network_flags(runtime))
        parser = trt.OnnxParser(network, log)
    except _REFUSED as error:
        raise ProviderError(f"TensorRT cannot be started: {_last(log, error)}") from error
    if not parser.parse(prepared(model, precision, runtime.major)):
        raise ProviderError(f"TensorRT cannot take the model: {'; '.join(_errors(parser))}")
    config = builder.create_builder_config()
    _configure(runtime, config, precision)
    _add_profile(builder, network, config, card)
    _read_timing(config, timing)
    monitor = _watch(trt, config, listener)
    plan = builder.build_serialized_network(network, config)
    del monitor  # TensorRT keeps no reference of its own
    if plan is None:
        raise ProviderError(f"TensorRT built no engine: {_last(log, 'it does not say why')}")
    _write_timing(config, timing)
    return bytes(plan)


def _network_flags(runtime: Runtime) -> int:
    if runtime.major >= _IMPLICIT_BATCH_GONE:
        return 0
    return 1 << int(runtime.trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)


def _configure(runtime: Runtime, config: Any, precision: str) -> None:
    trt = runtime.trt
    for name in _FLAGS[precision]:
        flag = getattr(trt.BuilderFlag, name, None)  # none from TensorRT 11 on
        if flag is not None:
            config.set_flag(flag)
    workspace = min(_WORKSPACE_BYTES, runtime.device.memory_bytes // _WORKSPACE_SHARE)
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)


def _add_profile(builder: Any, network: Any, config: Any, card: ModelCard | None) -> None:
    sizes = builder.create_optimization_profile()
    varies = False
    for place in range(network.num_inputs):
        tensor = network.get_input(place)
        if tensor.is_shape_tensor:
            raise ProviderError(
                f"the input '{tensor.name}' is used as a shape, which cannot be known beforehand"
            )
        item = profile_of(tensor.name, tuple(tensor.shape), card)
        varies |= item.varies
        if item.varies:
            sizes.set_shape(tensor.name, item.least, item.usual, item.most)
    if varies:
        config.add_optimization_profile(sizes)


def _read_timing(config: Any, file: Path) -> None:
    known = file.read_bytes() if file.is_file() else b""
    cache = config.create_timing_cache(known)
    if cache is None or not config.set_timing_cache(cache, False):
        # Another driver's or a damaged one: TensorRT measures anew.
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _write_timing(config: Any, file: Path) -> None:
    cache = config.get_timing_cache()
    if cache is None:
        return
    try:
        store.write(file, bytes(cache.serialize()))
    except OSError as error:
        logger.info("what TensorRT measured cannot be kept: %s", error)


def _watch(trt: Any, config: Any, listener: BuildListener | None) -> Any:
    if listener is None or not hasattr(trt, "IProgressMonitor"):
        return None
    heard = listener

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            heard.phase_start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            heard.step_complete(phase_name, step)
            return True  # False would break the build off

        def phase_finish(self, phase_name: str) -> None:
            heard.phase_finish(phase_name)

    monitor = Monitor()
    config.progress_monitor = monitor
    return monitor


def _errors(parser: Any) -> Iterator[str]:
    for place in range(min(parser.num_errors, 3)):
        error = parser.get_error(place)
        # From TensorRT 10 on an error knows its node's name and operator.
        operator = error.node_operator() if hasattr(error, "node_operator") else ""
        yield f"node {error.node()}{f' ({operator})' if operator else ''}: {error.desc()}"


def _last(log: Any, otherwise: object) -> str:
    return "; ".join(log.errors) or str(otherwise)
