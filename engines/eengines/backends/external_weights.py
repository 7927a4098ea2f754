"""Refuse graphs whose weights lie in other files: nothing has checked what is in these.

The graph is read as protobuf reads it, field by field, and not searched for bytes: a number can be written in several
ways that all parse, and the same bytes may be harmless text elsewhere. Payloads are stepped over, never copied, so that
the size of the weights does not matter. Wire format: protobuf.dev/programming-guides/encoding; numbers of
fields: onnx.proto.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from eengines.errors import EngineError

__all__ = ["refuse_external_weights"]

MODEL, TENSOR = "ModelProto", "TensorProto"

INNER: Mapping[str, Mapping[int, str]] = {
    MODEL: {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: TENSOR, 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: TENSOR,
        6: "GraphProto",
        10: TENSOR,
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: TENSOR, 2: TENSOR},
    TENSOR: {},
}
"""Message → number of a field that is itself a message → that message; only what leads to a tensor."""

IR_VERSION, GRAPH = 1, 7
"""Fields that every `ModelProto` has."""

EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Fields of `TensorProto`: the file, offset and length, and whether they count (0: no)."""

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
"""Wire types. Groups (3 and 4) are of no ONNX version."""

TAG_BITS, VARINT_BITS = 32, 64


class Field(NamedTuple):
    """One field: its number and wire type, where its payload is, and its value if that is a varint."""

    number: int
    wire: int
    start: int
    end: int
    value: int


class MalformedError(ValueError):
    """The bytes are not the message that they should be."""


def refuse_external_weights(graph: bytes, where: str) -> None:
    """Check an ONNX graph, without onnx.

    Args:
        graph: a serialised `ModelProto`.
        where: file or segment, for messages.

    Raises:
        EngineError: a tensor lies outside the file, or the bytes are not an ONNX graph.
    """
    try:
        outside = _has_external_tensor(graph)
    except MalformedError as error:
        raise EngineError(where, f"not an ONNX graph: {error}", "Build the bundle again") from error
    if outside:
        raise EngineError(where, "it has weights in another file, expected them inside", "Build the bundle again")


def _has_external_tensor(content: bytes) -> bool:
    """Whether any tensor names a file. Every message is walked, so that damage behind the first tensor is found too."""
    outside, seen = False, set[int]()
    waiting = [(MODEL, 0, len(content))]  # a list and not recursion: the graph decides how deep it nests
    while waiting:
        message, start, end = waiting.pop()
        inner = INNER[message]
        for field in _fields(content, start, end):
            if field.number in inner:
                _expect(field, DELIMITED, message)
                waiting.append((inner[field.number], field.start, field.end))
            elif message == TENSOR and field.number in (EXTERNAL_DATA, DATA_LOCATION):
                # an enum is the lower half of its varint
                outside |= field.number == EXTERNAL_DATA or field.value & 0xFFFF_FFFF != 0
            if message == MODEL:
                if field.number == IR_VERSION:
                    _expect(field, VARINT, message)
                seen.add(field.number)
    if not {IR_VERSION, GRAPH} <= seen:
        raise MalformedError("it has no version or no graph")
    return outside


def _expect(field: Field, wire: int, message: str) -> None:
    if field.wire != wire:
        raise MalformedError(f"field {field.number} of {message} has wire type {field.wire}, expected {wire}")


def _fields(content: bytes, at: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message at `content[at:end]`."""
    while at < end:
        tag, start = _varint(content, at, end, bits=TAG_BITS)
        number, wire, value = tag >> 3, tag & 7, 0
        if number == 0:
            raise MalformedError(f"field 0 at byte {at}")
        if wire == VARINT:
            value, after = _varint(content, start, end, bits=VARINT_BITS)
        elif wire == DELIMITED:
            length, start = _varint(content, start, end, bits=TAG_BITS)
            after = start + length
        elif wire in (FIXED64, FIXED32):
            after = start + (8 if wire == FIXED64 else 4)
        else:
            raise MalformedError(f"unknown wire type {wire} at byte {at}")
        if after > end:
            raise MalformedError(f"the field at byte {at} ends at {after}, its message at {end}")
        yield Field(number, wire, start, after, value)
        at = after


def _varint(content: bytes, at: int, end: int, *, bits: int) -> tuple[int, int]:
    """Return a number, seven bits a byte and the least first, and where it ends. Overlong forms are valid."""
    value = 0
    for shift in range(0, bits, 7):
        if at >= end:
            raise MalformedError(f"it ends within a number at byte {at}")
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> bits:
                break
            return value, at
    raise MalformedError(f"a number of more than {bits} bits before byte {at}")
