"""The execution providers, under the names that parameters and cards use."""

from __future__ import annotations

from collections.abc import Mapping

from emostress_ros.errors import ParameterError

NATIVE = "tensorrt_native"
"""TensorRT driven by its own Python module, without ONNX Runtime's provider."""

PROVIDERS: Mapping[str, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    NATIVE: "TensorRT",
    "tensorrt_rtx": "NvTensorRTRTXExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Names in parameters and cards, in the usual order of preference, and ONNX Runtime's names."""

SHORT: Mapping[str, str] = {long: name for name, long in PROVIDERS.items()}
"""ONNX Runtime's names, and ours."""


def check_provider(name: str) -> str:
    """Return the name.

    Raises:
        ParameterError: there is no such provider.
    """
    if name not in PROVIDERS:
        raise ParameterError(f"provider must be one of {', '.join(PROVIDERS)}; got '{name}'")
    return name
