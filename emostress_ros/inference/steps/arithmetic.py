"""Operations that compute, as ONNX's operators define them (onnx.ai, "ONNX Operators")."""

from __future__ import annotations

import math

import numpy as np

from emostress_ros.inference.onnx_graph import Array
from emostress_ros.inference.steps.lowering import Given, Lowering, makes
from emostress_ros.inference.steps.step import Code
from emostress_ros.inference.trial import UnsupportedError

_TWO = {"Add": Code.ADD, "Sub": Code.SUB, "Mul": Code.MUL, "Div": Code.DIV}
_ONE = {
    "Relu": Code.RELU,
    "Sigmoid": Code.SIGMOID,
    "Sqrt": Code.SQRT,
    "Erf": Code.ERF,
    "Softplus": Code.SOFTPLUS,
    "Abs": Code.ABS,
}
_REDUCED = {"ReduceSum": Code.SUM, "ReduceMean": Code.SUM, "ReduceL2": Code.NORM}


@makes(*_TWO)
def _two(lowering: Lowering, given: Given) -> list[Array]:
    a, b = given.value(0), given.value(1)
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), np.float32)
    return lowering.emit(_TWO[given.op], a, out, b)


@makes(*_ONE)
def _one(lowering: Lowering, given: Given) -> list[Array]:
    a = given.value(0)
    return lowering.emit(_ONE[given.op], a, np.empty(a.shape, np.float32))


@makes("Clip")
def _clip(lowering: Lowering, given: Given) -> list[Array]:
    bounds = {"min": -math.inf, "max": math.inf}
    for place, name in enumerate(bounds, start=1):
        if given.has(place):
            bounds[name] = float(given.constant(place))
        bounds[name] = given.attributes.get(name, bounds[name])
    a = given.value(0)
    out = np.empty(a.shape, np.float32)
    return lowering.emit(Code.CLIP, a, out, low=bounds["min"], high=bounds["max"])


@makes("Softmax")
def _softmax(lowering: Lowering, given: Given) -> list[Array]:
    a = given.value(0)
    # Before version 13 the axis was 1 unless said, and all behind it went into one sum.
    axis = given.attributes.get("axis", 1 if a.ndim == 2 else 0)
    if axis % a.ndim != a.ndim - 1:
        raise UnsupportedError("a softmax along another axis than the last")
    return lowering.emit(Code.SOFTMAX, a, np.empty(a.shape, np.float32))


@makes(*_REDUCED)
def _reduce(lowering: Lowering, given: Given) -> list[Array]:
    a, axes = given.value(0), given.integers(1, "axes")
    if axes is None or len(axes) != 1:
        raise UnsupportedError(f"{given.op} along more than one axis")
    axis = axes[0] % a.ndim
    out = np.empty([1 if place == axis else size for place, size in enumerate(a.shape)], np.float32)
    factor = 1.0 / a.shape[axis] if given.op == "ReduceMean" else 1.0
    lowering.emit(
        _REDUCED[given.op], np.moveaxis(a, axis, -1), np.moveaxis(out, axis, -1), low=factor
    )
    return [out if given.attributes.get("keepdims", 1) else np.squeeze(out, axis)]


@makes("MatMul")
def _matmul(lowering: Lowering, given: Given) -> list[Array]:
    return [_product(lowering, given.value(0), given.value(1), given.fixed(1))]


@makes("Gemm")
def _gemm(lowering: Lowering, given: Given) -> list[Array]:
    if given.attributes.get("alpha", 1.0) != 1.0 or given.attributes.get("beta", 1.0) != 1.0:
        raise UnsupportedError("a product that is scaled")
    a, b = given.value(0), given.value(1)
    a = a.T if given.attributes.get("transA", 0) else a
    b = b.T if given.attributes.get("transB", 0) else b
    product = _product(lowering, a, b, given.fixed(1))
    if not given.has(2):
        return [product]
    return lowering.emit(Code.ADD, product, np.empty(product.shape, np.float32), given.value(2))


def _product(lowering: Lowering, a: Array, b: Array, fixed: bool) -> Array:
    if min(a.ndim, b.ndim) < 2 or max(a.ndim, b.ndim) > 4:
        raise UnsupportedError(f"a product of {a.ndim} and {b.ndim} axes")
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = np.empty((*batch, a.shape[-2], b.shape[-1]), np.float32)
    # Rows of what stays as it is lie side by side, as the product goes along them.
    b = np.ascontiguousarray(b) if fixed else b
    (product,) = lowering.emit(Code.MATMUL, a, out, b, fixed=fixed)
    return product
