"""An engine is taken from the cache, or built and kept there."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from emostress_ros.errors import ModelCorruptError, ProviderError
from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.engines import EngineKey, engine_key
from emostress_ros.inference.native import store
from emostress_ros.inference.native.build import BuildListener, build_engine
from emostress_ros.inference.native.engine import NativeEngine
from emostress_ros.inference.native.profile import profile_digest
from emostress_ros.inference.native.runtime import Runtime, load_runtime
from emostress_ros.inference.providers import NATIVE

TIMING_FILE = "timing.cache"

logger = logging.getLogger(__name__)


def native_key(model: bytes, card: ModelCard | None = None, precision: str = "fp16") -> EngineKey:
    """Return the key of a model's engine on this machine.

    Raises:
        ProviderError: this machine has no TensorRT, no libcudart or no GPU.
        ParameterError: as :func:`~emostress_ros.inference.engines.engine_key`.
    """
    return _key(load_runtime(), model, card, precision)


def open_native(
    name: str,
    source: Path | str | bytes,
    card: ModelCard | None = None,
    precision: str = "fp16",
    listener: BuildListener | None = None,
) -> NativeEngine:
    """Return a model ready to run; its engine is built when there is none that can be used.

    Args:
        name: of the model, for errors.
        source: path or bytes of an ONNX model.
        card: says how large the axes of the inputs may be.
        precision: ``fp32``, ``fp16`` or ``int8``.
        listener: hears how a build gets on.

    Raises:
        ProviderError: something that is needed is missing, or TensorRT cannot take the model.
        ModelError: CUDA failed, for want of memory say.
    """
    runtime = load_runtime()
    model = source if isinstance(source, bytes) else Path(source).read_bytes()
    key = _key(runtime, model, card, precision)
    kept = _kept(name, runtime, key)
    if kept is not None:
        return kept
    logger.info("%s: building an engine for %s, once", name, runtime.gpu)
    timing = key.folder.parent.parent / TIMING_FILE
    plan = build_engine(runtime, model, card, precision, timing, listener)
    engine = NativeEngine(name, runtime, plan)
    try:
        store.save_engine(key, plan)
    except OSError as error:  # a full disk or a read-only one is no reason not to run
        logger.warning("%s: its engine cannot be kept, each start builds it: %s", name, error)
    return engine


def _kept(name: str, runtime: Runtime, key: EngineKey) -> NativeEngine | None:
    try:
        plan = store.load_engine(key)
        return None if plan is None else NativeEngine(name, runtime, plan)
    except (ModelCorruptError, ProviderError) as error:
        logger.warning("%s: the engine is built again: %s", name, error)
        return None


def _key(runtime: Runtime, model: bytes, card: ModelCard | None, precision: str) -> EngineKey:
    plain = engine_key(model, NATIVE, precision)
    profile = profile_digest(card.axes if card else {})
    version = f"{runtime.version}-native"
    return replace(plain, gpu=runtime.gpu, tensorrt=version, profile=profile)
