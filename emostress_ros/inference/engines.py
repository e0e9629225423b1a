"""Prebuilt TensorRT engines: where they are kept, and what ONNX Runtime is told of them.

TensorRT compiles a model for one GPU, which takes minutes; ONNX Runtime's TensorRT providers, and
:mod:`.native`, keep what they compiled in a folder.  The folder here is named after all that an
engine depends on (GPU, TensorRT version, precision, the model's hash), so that a stale engine is
never loaded: another driver stack or another model looks into another folder.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emostress_ros.errors import ParameterError

PRECISIONS = ("fp32", "fp16", "int8")
CACHE_VARIABLE = "EMOSTRESS_ENGINES"
"""Environment variable: folder of the engines; default ``~/.cache/emostress_ros/engines``."""

_TENSORRT_PACKAGES = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12", "tensorrt-cu12-libs")
_RTX_PACKAGES = ("onnxruntime-ep-nv-tensorrt-rtx-cu13", "onnxruntime-ep-nv-tensorrt-rtx-cu12")
_GPU_FILES = "/proc/driver/nvidia/gpus/*/information"
_BOARD_FILE = "/proc/device-tree/model"
_QUANTISED = b"DequantizeLinear"


@dataclass(frozen=True)
class EngineKey:
    """All that an engine depends on.

    Attributes:
        gpu: name of the GPU, or of the board that it is part of.
        tensorrt: version of TensorRT, or of the plug-in that brings it.
        precision: one of :data:`PRECISIONS`.
        model_sha256: hash of the ONNX model.
        profile: hash of the sizes that it was built for, where they are part of it.

    Raises:
        ParameterError: another precision.
    """

    gpu: str
    tensorrt: str
    precision: str
    model_sha256: str
    profile: str = ""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ParameterError(
                f"precision must be one of {', '.join(PRECISIONS)}; got '{self.precision}'"
            )

    @property
    def folder(self) -> Path:
        """Where the engine is kept, whether or not it has been built."""
        model = "-".join(filter(None, (self.model_sha256[:16], self.profile)))
        parts = (self.gpu, f"tensorrt-{self.tensorrt}", self.precision, model)
        return cache_folder().joinpath(*(_plain(part) for part in parts))

    @property
    def built(self) -> bool:
        """Whether there is an engine."""
        if not self.folder.is_dir():
            return False
        return any(not file.name.startswith(".") for file in self.folder.iterdir())


def engine_key(model: bytes, provider: str, precision: str = "fp16") -> EngineKey:
    """Return the key of a model on this machine.

    Args:
        model: bytes of the ONNX file.
        provider: ``tensorrt``, ``tensorrt_native`` or ``tensorrt_rtx``.
        precision: one of :data:`PRECISIONS`.

    Raises:
        ParameterError: another precision, or int8 for a model without quantisation scales.
    """
    if precision == "int8" and _QUANTISED not in model:
        raise ParameterError(
            "precision int8 needs a model with quantisation scales (QDQ), which `emostress "
            "compress` makes; this one has none"
        )
    return EngineKey(
        gpu_name(), tensorrt_version(provider), precision, hashlib.sha256(model).hexdigest()
    )


def provider_options(provider: str, key: EngineKey) -> Mapping[str, str]:
    """Return what the provider is told, so that it keeps its engine in the key's folder."""
    folder = str(key.folder)
    if provider == "tensorrt_rtx":
        # It compiles just in time for the GPU at hand, and takes the precision from the model.
        return {"nv_runtime_cache_path": folder}
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": folder,
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": folder,
        "trt_fp16_enable": "0" if key.precision == "fp32" else "1",
        "trt_int8_enable": "1" if key.precision == "int8" else "0",
    }


def cache_folder() -> Path:
    """Return the folder that holds all engines."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path.home() / ".cache" / "emostress_ros" / "engines"


def gpu_name(root: Path = Path("/")) -> str:
    """Return the GPU's name as its driver tells it, the board's on a Jetson, else ``none``."""
    for path in sorted(root.glob(_GPU_FILES.lstrip("/"))):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "Model":
                return value.strip()
    board = root / _BOARD_FILE.lstrip("/")
    text = board.read_text(encoding="utf-8", errors="replace") if board.is_file() else ""
    return text.strip("\0\n ") if "NVIDIA" in text else "none"


def tensorrt_version(provider: str) -> str:
    """Return the version of TensorRT that a provider uses, else ``none``."""
    for package in _RTX_PACKAGES if provider == "tensorrt_rtx" else _TENSORRT_PACKAGES:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "none"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-") or "unknown"
