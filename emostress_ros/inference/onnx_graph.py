"""Reads an ONNX file's graph: its nodes, their attributes and the numbers that it holds.

For what looks into a model instead of running it; the ``onnx`` package is heavy for a robot.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from emostress_ros.errors import ModelCorruptError
from emostress_ros.inference.protobuf import BYTES, fields, find, find_all, read_varint

# Field numbers and codes of onnx.proto (ONNX IR specification).
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_VALUE_NAME = 1
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 4, 5, 7
_ATTRIBUTE_NAME, _FLOAT, _INT, _STRING, _TENSOR, _FLOATS, _INTS = 1, 2, 3, 4, 5, 7, 8
_DIMS, _DATA_TYPE, _FLOAT_DATA, _INT32_DATA, _INT64_DATA = 1, 2, 4, 5, 7
_TENSOR_NAME, _RAW_DATA, _DOUBLE_DATA, _UINT64_DATA, _DATA_LOCATION = 8, 9, 10, 11, 14
_TYPES = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2",
    11: "<f8", 12: "<u4", 13: "<u8",
}  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        op: its type, with the domain before it unless it is ONNX's own: ``com.microsoft.Gelu``.
        inputs: names; empty for one that is left out.
        outputs: names; empty for one that is not wanted.
        attributes: integers, floats, lists of either, text or an array; attributes of other kinds
            (graphs, say) are None.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Graph:
    """A model.

    Attributes:
        nodes: each behind those that it needs.
        constants: the numbers that the file holds, by name; read-only.
        inputs: names of what a run is fed with.
        outputs: names of what it gives.
    """

    nodes: tuple[Node, ...]
    constants: dict[str, Array]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_graph(model: bytes) -> Graph:
    """Return the graph of an ONNX file.

    Raises:
        ModelCorruptError: the bytes are not an ONNX model, or its numbers lie in another file or
            are of a type that numpy does not have.
    """
    graph = find(model, _MODEL_GRAPH)
    if not graph:
        raise ModelCorruptError("the file holds no ONNX graph")
    constants = dict(_named_tensor(part) for part in find_all(graph, _GRAPH_INITIALIZER))
    inputs = (_text(find(part, _VALUE_NAME)) for part in find_all(graph, _GRAPH_INPUT))
    return Graph(
        tuple(_node(part) for part in find_all(graph, _GRAPH_NODE)),
        constants,
        tuple(name for name in inputs if name not in constants),
        tuple(_text(find(part, _VALUE_NAME)) for part in find_all(graph, _GRAPH_OUTPUT)),
    )


def _node(message: bytes) -> Node:
    domain, op = _text(find(message, _NODE_DOMAIN)), _text(find(message, _NODE_OP))
    return Node(
        op if domain in ("", "ai.onnx") else f"{domain}.{op}",
        tuple(map(_text, find_all(message, _NODE_INPUT))),
        tuple(map(_text, find_all(message, _NODE_OUTPUT))),
        dict(map(_attribute, find_all(message, _NODE_ATTRIBUTE))),
    )


def _attribute(message: bytes) -> tuple[str, Any]:
    name, value = "", None
    several: dict[int, list[float] | list[int]] = {}
    for number, wire, part in fields(message):
        if number == _ATTRIBUTE_NAME:
            name = _text(part)
        elif number == _FLOAT:
            value = struct.unpack("<f", part)[0]
        elif number == _INT:
            value = _signed(part)
        elif number == _STRING:
            value = _text(part)
        elif number == _TENSOR:
            value = _tensor(part)
        elif number == _FLOATS:
            several.setdefault(number, []).extend(v[0] for v in struct.iter_unpack("<f", part))
        elif number == _INTS:
            several.setdefault(number, []).extend(_integers(wire, part))
    return name, next(iter(several.values()), value)


def _named_tensor(message: bytes) -> tuple[str, Array]:
    name = _text(find(message, _TENSOR_NAME))
    try:
        return name, _tensor(message)
    except ModelCorruptError as error:
        raise ModelCorruptError(f"tensor '{name}': {error}") from error


def _tensor(message: bytes) -> Array:
    kind = read_varint(find(message, _DATA_TYPE) or b"\0", 0)[0]
    if kind not in _TYPES:
        raise ModelCorruptError(f"its type {kind} is not among {sorted(_TYPES)} of ONNX's types")
    if find(message, _DATA_LOCATION) not in (b"", b"\0"):
        raise ModelCorruptError("its numbers lie in another file")
    shape = [size for number, wire, part in fields(message) if number == _DIMS
             for size in _integers(wire, part)]  # fmt: skip
    dtype = np.dtype(_TYPES[kind])
    try:
        array = _numbers(message, dtype).reshape(shape)
    except ValueError as error:
        raise ModelCorruptError(f"it is no array of shape {shape}: {error}") from error
    array.flags.writeable = False
    return array


def _numbers(message: bytes, dtype: np.dtype[Any]) -> Array:
    raw = find(message, _RAW_DATA)
    if raw:
        return np.frombuffer(raw, dtype)
    for number, code in ((_FLOAT_DATA, "<f4"), (_DOUBLE_DATA, "<f8")):
        if packed := b"".join(find_all(message, number)):
            return np.frombuffer(packed, code).astype(dtype)
    stored = (_INT32_DATA, _INT64_DATA, _UINT64_DATA)
    whole = [value for number, wire, part in fields(message) if number in stored
             for value in _integers(wire, part)]  # fmt: skip
    if dtype == np.float16:  # stored as the bits of each
        return np.array(whole, np.uint16).view(np.float16)
    return np.array(whole, np.int64).astype(dtype)


def _integers(wire: int, part: bytes) -> Iterator[int]:
    """Yield the signed numbers of a repeated field, packed or one by one."""
    if wire != BYTES:
        yield _signed(part)
        return
    position = 0
    while position < len(part):
        value, position = read_varint(part, position)
        yield _of_64_bits(value)


def _signed(part: bytes) -> int:
    return _of_64_bits(read_varint(part, 0)[0])


def _of_64_bits(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _text(part: bytes) -> str:
    return part.decode("utf-8", "replace")
