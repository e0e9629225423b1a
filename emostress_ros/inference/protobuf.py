"""The wire format of protobuf, as far as ONNX files need it.

A message is a row of keys and values (protobuf.dev, "Encoding"), which a page of code reads; the
``onnx`` package would bring protobuf's own library to every robot.
"""

from __future__ import annotations

from collections.abc import Iterator

from emostress_ros.errors import ModelCorruptError

VARINT, BYTES = 0, 2
_FIXED_SIZES = {1: 8, 5: 4}

Field = tuple[int, int, bytes]  # number, wire type, value (a varint stays in its encoded form)


def fields(message: bytes) -> Iterator[Field]:
    """Yield the fields of a message in their order.

    Raises:
        ModelCorruptError: the bytes are no message.
    """
    position = 0
    while position < len(message):
        key, position = read_varint(message, position)
        number, wire = key >> 3, key & 7
        start = position
        if wire == VARINT:
            _, position = read_varint(message, position)
        elif wire == BYTES:
            size, start = read_varint(message, position)
            position = start + size
        elif wire in _FIXED_SIZES:
            position += _FIXED_SIZES[wire]
        else:
            raise ModelCorruptError(f"not an ONNX file: wire type {wire} at byte {position}")
        if position > len(message):
            raise ModelCorruptError("not an ONNX file: it ends in the middle of a field")
        yield number, wire, message[start:position]


def find(message: bytes, wanted: int) -> bytes:
    """Return the value of the first field of a number; empty where there is none."""
    for number, _, value in fields(message):
        if number == wanted:
            return value
    return b""


def find_all(message: bytes, wanted: int) -> list[bytes]:
    """Return the values of all fields of a number."""
    return [value for number, _, value in fields(message) if number == wanted]


def read_varint(message: bytes, position: int) -> tuple[int, int]:
    """Return the unsigned number at a position, and the position behind it.

    Raises:
        ModelCorruptError: it does not end.
    """
    value, shift = 0, 0
    while True:
        if position >= len(message) or shift > 63:
            raise ModelCorruptError("not an ONNX file: a number does not end")
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def varint(value: int) -> bytes:
    """Return a number >= 0 as it is written."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode(number: int, wire: int, value: bytes) -> bytes:
    """Return a field; a value of bytes gets its length."""
    size = varint(len(value)) if wire == BYTES else b""
    return varint(number << 3 | wire) + size + value
