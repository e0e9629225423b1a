"""Give an ONNX model another input size, or fewer outputs, by editing its protobuf bytes.

The face detector's file fixes its input at 640×640, although it is fully convolutional.  ONNX
Runtime cannot override a fixed dimension, and computes what nobody asked for; the ``onnx`` package
is heavy for a robot.  Only three fields of the graph mention shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from emostress_ros.errors import ModelCorruptError
from emostress_ros.inference.protobuf import BYTES, VARINT, encode, fields, find, find_all, varint

# Field numbers of onnx.proto (ONNX IR specification).
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_VALUE_INFO = 1, 11, 12, 13
_NODE_INPUT, _NODE_OUTPUT, _NODE_ATTRIBUTE = 1, 2, 5
_ATTRIBUTE_GRAPHS = (6, 11)  # of one that holds a graph, or several
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TYPE_TENSOR = 1
_TENSOR_ELEMENT, _TENSOR_SHAPE = 1, 2
_SHAPE_DIM = 1
_DIM_VALUE = 1

Shape = Sequence[int | None]


def with_input_shape(model: bytes, shape: Shape) -> bytes:
    """Return ``model`` with the first input of the given shape.

    Shapes recorded for intermediate values are dropped and those of outputs forgotten: ONNX
    Runtime infers them again.

    Args:
        model: an ONNX file's bytes.
        shape: new input shape; None leaves a dimension open.

    Raises:
        ModelCorruptError: the bytes are not an ONNX model.
    """
    return _with_graph(model, lambda graph: _reshape_graph(graph, shape))


def with_outputs(model: bytes, names: Collection[str]) -> bytes:
    """Return ``model`` with those of its outputs that are named, and no node that only others need.

    A model whose nodes hold graphs of their own stays as it is, as one without such outputs does.

    Args:
        model: an ONNX file's bytes.
        names: of outputs; one that it lacks is no error.

    Raises:
        ModelCorruptError: the bytes are not an ONNX model.
    """
    return _with_graph(model, lambda graph: _prune_graph(graph, {name.encode() for name in names}))


def _with_graph(model: bytes, change: Callable[[bytes], bytes]) -> bytes:
    parts = list(fields(model))
    if not any(number == _MODEL_GRAPH and wire == BYTES for number, wire, _ in parts):
        raise ModelCorruptError("the file holds no ONNX graph")
    return b"".join(
        encode(number, wire, change(value) if number == _MODEL_GRAPH else value)
        for number, wire, value in parts
    )


def _prune_graph(graph: bytes, names: Collection[bytes]) -> bytes:
    parts = list(fields(graph))
    nodes = [value for number, _, value in parts if number == _GRAPH_NODE]
    outputs = {find(value, _VALUE_NAME) for number, _, value in parts if number == _GRAPH_OUTPUT}
    needed = outputs & set(names)
    if not needed or any(map(_holds_graph, nodes)):
        return graph
    wanted: set[int] = set()
    for place in reversed(range(len(nodes))):  # nodes stand behind what they need
        if needed.intersection(find_all(nodes[place], _NODE_OUTPUT)):
            wanted.add(place)
            needed.update(find_all(nodes[place], _NODE_INPUT))
    kept = iter(place in wanted for place in range(len(nodes)))
    return b"".join(
        encode(number, wire, value)
        for number, wire, value in parts
        if (number != _GRAPH_NODE or next(kept))
        and (number != _GRAPH_OUTPUT or find(value, _VALUE_NAME) in names)
    )


def _holds_graph(node: bytes) -> bool:
    return any(
        find_all(part, field)
        for part in find_all(node, _NODE_ATTRIBUTE)
        for field in _ATTRIBUTE_GRAPHS
    )


def _reshape_graph(graph: bytes, shape: Shape) -> bytes:
    parts: list[bytes] = []
    inputs = 0
    for number, wire, value in fields(graph):
        if number == _GRAPH_VALUE_INFO:
            continue
        if number == _GRAPH_INPUT:
            value = _with_shape(value, shape) if inputs == 0 else value
            inputs += 1
        elif number == _GRAPH_OUTPUT:
            value = _with_shape(value, None)
        parts.append(encode(number, wire, value))
    return b"".join(parts)


def _with_shape(value_info: bytes, shape: Shape | None) -> bytes:
    """Return a ValueInfoProto with another shape, or with none."""
    tensor = b""
    for number, _, value in fields(find(find(value_info, _VALUE_TYPE), _TYPE_TENSOR)):
        if number == _TENSOR_ELEMENT:
            tensor += encode(number, VARINT, value)
    if shape is not None:
        dims = b"".join(encode(_SHAPE_DIM, BYTES, _dimension(size)) for size in shape)
        tensor += encode(_TENSOR_SHAPE, BYTES, dims)
    kind = encode(_TYPE_TENSOR, BYTES, tensor)
    name = find(value_info, _VALUE_NAME)
    return encode(_VALUE_NAME, BYTES, name) + encode(_VALUE_TYPE, BYTES, kind)


def _dimension(size: int | None) -> bytes:
    return b"" if size is None else encode(_DIM_VALUE, VARINT, varint(size))
