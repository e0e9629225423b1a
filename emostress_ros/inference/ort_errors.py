"""What ONNX Runtime raises."""

from __future__ import annotations

from onnxruntime.capi import onnxruntime_pybind11_state

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
