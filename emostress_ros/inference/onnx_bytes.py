"""Give an ONNX model another input size, or fewer outputs, by editing its protobuf bytes.

The face detector's file fixes its input at 640×640, although it is fully convolutional.  ONNX
Runtime cannot override a fixed dimension, and computes what nobody asked for; the ``onnx`` package
is heavy for a robot.  The wire format is simple (protobuf.dev, "Encoding"): a message is a row of
(key, value), and only three fields of the graph mention shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from emostress_ros.errors import ModelCorruptError

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

_VARINT, _BYTES = 0, 2
_FIXED_SIZES = {1: 8, 5: 4}

Field = tuple[int, int, bytes]  # number, wire type, value (a varint stays in its encoded form)


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
    fields = list(_fields(model))
    if not any(number == _MODEL_GRAPH and wire == _BYTES for number, wire, _ in fields):
        raise ModelCorruptError("the file holds no ONNX graph")
    return b"".join(
        _encode(number, wire, change(value) if number == _MODEL_GRAPH else value)
        for number, wire, value in fields
    )


def _prune_graph(graph: bytes, names: Collection[bytes]) -> bytes:
    fields = list(_fields(graph))
    nodes = [value for number, _, value in fields if number == _GRAPH_NODE]
    outputs = {_find(value, _VALUE_NAME) for number, _, value in fields if number == _GRAPH_OUTPUT}
    needed = outputs & set(names)
    if not needed or any(map(_holds_graph, nodes)):
        return graph
    wanted: set[int] = set()
    for place in reversed(range(len(nodes))):  # nodes stand behind what they need
        if needed.intersection(_all(nodes[place], _NODE_OUTPUT)):
            wanted.add(place)
            needed.update(_all(nodes[place], _NODE_INPUT))
    kept = iter(place in wanted for place in range(len(nodes)))
    return b"".join(
        _encode(number, wire, value)
        for number, wire, value in fields
        if (number != _GRAPH_NODE or next(kept))
        and (number != _GRAPH_OUTPUT or _find(value, _VALUE_NAME) in names)
    )


def _holds_graph(node: bytes) -> bool:
    return any(
        _all(part, field) for part in _all(node, _NODE_ATTRIBUTE) for field in _ATTRIBUTE_GRAPHS
    )


def _reshape_graph(graph: bytes, shape: Shape) -> bytes:
    parts: list[bytes] = []
    inputs = 0
    for number, wire, value in _fields(graph):
        if number == _GRAPH_VALUE_INFO:
            continue
        if number == _GRAPH_INPUT:
            value = _with_shape(value, shape) if inputs == 0 else value
            inputs += 1
        elif number == _GRAPH_OUTPUT:
            value = _with_shape(value, None)
        parts.append(_encode(number, wire, value))
    return b"".join(parts)


def _with_shape(value_info: bytes, shape: Shape | None) -> bytes:
    """Return a ValueInfoProto with another shape, or with none."""
    tensor = b""
    for number, _, value in _fields(_find(_find(value_info, _VALUE_TYPE), _TYPE_TENSOR)):
        if number == _TENSOR_ELEMENT:
            tensor += _encode(number, _VARINT, value)
    if shape is not None:
        dims = b"".join(_encode(_SHAPE_DIM, _BYTES, _dimension(size)) for size in shape)
        tensor += _encode(_TENSOR_SHAPE, _BYTES, dims)
    kind = _encode(_TYPE_TENSOR, _BYTES, tensor)
    name = _find(value_info, _VALUE_NAME)
    return _encode(_VALUE_NAME, _BYTES, name) + _encode(_VALUE_TYPE, _BYTES, kind)


def _dimension(size: int | None) -> bytes:
    return b"" if size is None else _encode(_DIM_VALUE, _VARINT, _varint(size))


def _find(message: bytes, wanted: int) -> bytes:
    for number, _, value in _fields(message):
        if number == wanted:
            return value
    return b""


def _all(message: bytes, wanted: int) -> list[bytes]:
    return [value for number, _, value in _fields(message) if number == wanted]


def _fields(message: bytes) -> Iterator[Field]:
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        number, wire = key >> 3, key & 7
        start = position
        if wire == _VARINT:
            _, position = _read_varint(message, position)
        elif wire == _BYTES:
            size, start = _read_varint(message, position)
            position = start + size
        elif wire in _FIXED_SIZES:
            position += _FIXED_SIZES[wire]
        else:
            raise ModelCorruptError(f"not an ONNX file: wire type {wire} at byte {position}")
        if position > len(message):
            raise ModelCorruptError("not an ONNX file: it ends in the middle of a field")
        yield number, wire, message[start:position]


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        if position >= len(message) or shift > 63:
            raise ModelCorruptError("not an ONNX file: a number does not end")
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _encode(number: int, wire: int, value: bytes) -> bytes:
    size = _varint(len(value)) if wire == _BYTES else b""
    return _varint(number << 3 | wire) + size + value
