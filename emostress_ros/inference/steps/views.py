"""Operations that only move numbers about: views, so that a run does nothing for them.

They follow ONNX's operators (onnx.ai, "ONNX Operators"), for constants and for what is computed.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from emostress_ros.inference.onnx_graph import Array
from emostress_ros.inference.steps.lowering import Given, Lowering, makes
from emostress_ros.inference.steps.step import Code
from emostress_ros.inference.trial import UnsupportedError


@makes("Identity", "Dropout")
def _identity(_: Lowering, given: Given) -> list[Array]:
    return [given.value(0)]


@makes("Shape")
def _shape(_: Lowering, given: Given) -> list[Array]:
    part = slice(given.attributes.get("start", 0), given.attributes.get("end"))
    return [np.array(given.value(0).shape[part], np.int64)]


@makes("Slice")
def _slice(_: Lowering, given: Given) -> list[Array]:
    data = given.value(0)
    starts, ends = given.integers(1, "starts") or [], given.integers(2, "ends") or []
    axes = given.integers(3, "axes") or range(len(starts))
    strides = given.integers(4) or [1] * len(starts)
    index = [slice(None)] * data.ndim
    for start, end, axis, stride in zip(starts, ends, axes, strides, strict=True):
        if stride < 0:
            raise UnsupportedError("a slice that goes backwards")
        index[axis] = slice(start, end, stride)
    return [data[tuple(index)]]


@makes("Split")
def _split(_: Lowering, given: Given) -> list[Array]:
    sizes = given.integers(1, "split")
    if sizes is None:
        raise UnsupportedError("a split without sizes")
    bounds = list(accumulate(sizes))[:-1]
    return list(np.split(given.value(0), bounds, given.attributes.get("axis", 0)))


@makes("Transpose")
def _transpose(_: Lowering, given: Given) -> list[Array]:
    return [given.value(0).transpose(given.attributes.get("perm"))]


@makes("Reshape")
def _reshape(lowering: Lowering, given: Given) -> list[Array]:
    data, wanted = given.value(0), given.integers(1) or []
    kept = given.attributes.get("allowzero", 0)
    sizes = [
        data.shape[place] if size == 0 and not kept else size for place, size in enumerate(wanted)
    ]
    return [lowering.contiguous(data).reshape(sizes)]


@makes("Flatten")
def _flatten(lowering: Lowering, given: Given) -> list[Array]:
    data, axis = given.value(0), given.attributes.get("axis", 1)
    rows = int(np.prod(data.shape[:axis], dtype=int))
    return [lowering.contiguous(data).reshape(rows, data.size // max(rows, 1))]


@makes("Unsqueeze")
def _unsqueeze(_: Lowering, given: Given) -> list[Array]:
    return [np.expand_dims(given.value(0), tuple(given.integers(1, "axes") or ()))]


@makes("Squeeze")
def _squeeze(_: Lowering, given: Given) -> list[Array]:
    axes = given.integers(1, "axes")
    return [np.squeeze(given.value(0), None if axes is None else tuple(axes))]


@makes("Gather")
def _gather(_: Lowering, given: Given) -> list[Array]:
    data, places = given.value(0), given.constant(1)
    axis = given.attributes.get("axis", 0)
    if places.ndim == 0:
        return [np.moveaxis(data, axis, 0)[int(places)]]
    if not given.fixed(0):
        raise UnsupportedError("a gather of several")
    return [np.take(data, places, axis)]


@makes("Concat")
def _concat(lowering: Lowering, given: Given) -> list[Array]:
    parts, axis = [given.value(place) for place in range(given.count)], given.attributes["axis"]
    if all(map(given.fixed, range(given.count))):
        return [np.concatenate(parts, axis)]
    whole = np.empty_like(np.concatenate(parts, axis))
    bounds = list(accumulate(part.shape[axis] for part in parts))[:-1]
    for part, place in zip(parts, np.split(whole, bounds, axis), strict=True):
        lowering.emit(Code.COPY, part, place)
    return [whole]
