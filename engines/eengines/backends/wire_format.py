"""The wire format of protobuf, field by field: what an ONNX graph says can be read without onnx.

A number can be written in several ways that all parse, and the same bytes may be harmless text elsewhere, so messages
are walked and not searched for bytes. Payloads are stepped over, never copied, so that the size of the weights does not
matter. Source: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["DELIMITED", "VARINT", "Field", "MalformedError", "fields_of"]

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


def fields_of(content: bytes, at: int, end: int) -> Iterator[Field]:
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
