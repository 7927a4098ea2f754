"""Tensor data in JSON: numbers in row-major order, flat or nested."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from eengines.tensors import Array
from eerun.serve.errors import RequestError
from eerun.serve.oip.datatypes import dtype_of
from eerun.serve.oip.largest_body import MOST_CHARACTERS, brackets_of
from eerun.serve.oip.tensors import Tensor, check_shape

__all__ = ["tensor_from_json"]

BLANK = b" \t\r\n"
BRACKETS, STRUCTURE = b"[]", b"[],"
NO_STRUCTURE = bytes(sign for sign in range(256) if sign not in STRUCTURE)
LARGEST_BOUND = 2**63 - 1
PIECE_BYTES = 64 * 1024
"""So much text is decoded at a time: a decoder holds Python's lock until it is done, and nobody else is served."""


def tensor_from_json(*, name: str, datatype: str, shape: Sequence[int], data: bytes | memoryview) -> Tensor:
    """Return an array of JSON text, which takes memory of the size of the text and of the array, and no more.

    Args:
        name: of the input.
        datatype: the protocol's name.
        shape: of the whole tensor.
        data: text of a JSON value, which should be an array: `[1, 2, 3, 4]`, or nested as the shape says,
            `[[1, 2], [3, 4]]`.

    Raises:
        RequestError: values that the datatype does not have, or not as many as the shape says, or too long a text.
    """
    dtype, elements = dtype_of(datatype), check_shape(name, shape)
    where, most = f"input {name!r}", MOST_CHARACTERS * (elements + brackets_of(shape))
    if len(data) > most:
        problem = f"got {len(data)} bytes of data, expected at most {most} for shape {list(shape)}"
        raise RequestError(where, problem, "Write them without blanks and needless digits")
    text = bytes(data).strip(BLANK)
    given = text.count(b",") + 1
    if given != elements and not (elements == 0 and given == 1):
        problem = f"got {given} elements, expected {elements} for shape {list(shape)}"
        raise RequestError(where, problem, "Give as many as the shape says")
    nested = len(shape) > 1 and elements > 0 and text[1:].lstrip(BLANK).startswith(b"[")
    try:
        array = _read(text, dtype, _structure(shape if nested else (elements,), len(text)), elements)
    except (ValueError, OverflowError) as error:
        problem = f"its data are not a JSON array of {datatype} in shape {list(shape)}: {error}"
        raise RequestError(where, problem, "Give numbers in row-major order, flat or nested") from error
    return Tensor(name=name, datatype=datatype, shape=tuple(shape), array=array.reshape(shape))


def _structure(shape: Sequence[int], most: int) -> bytes:
    """Brackets and commas of data of a shape: of `[2, 2]` it is `[[,],[,]]`.

    Raises:
        ValueError: these alone are more than `most` bytes.
    """
    if 2 * brackets_of(shape) > most:
        raise ValueError("it is not nested as the shape says")
    *outer, columns = shape
    structure = b"[%b]" % (b"," * (columns - 1))
    for size in reversed(outer):
        structure = b"[%b]" % ((structure + b",") * size)[:-1]
    return structure


def _read(text: bytes, dtype: np.dtype[Any], structure: bytes, elements: int) -> Array:
    """The numbers of a text that has just this structure.

    Raises:
        ValueError: it has another one, or what is not a number of the type.
        OverflowError: a number that the type does not have.
    """
    array = np.empty(elements, dtype)
    decoder, seen, filled = _decoder(dtype.str), 0, 0
    for piece in _pieces(text):
        found = piece.translate(None, NO_STRUCTURE)
        if not structure.startswith(found, seen):
            raise ValueError("it is not an array that is flat, or nested as the shape says")
        seen += len(found)
        numbers = piece.translate(None, BRACKETS)
        values = decoder.decode(b"[" + numbers.removesuffix(b",") + b"]")
        with np.errstate(over="ignore"):
            array[filled : filled + len(values)] = np.array(values, dtype)
        filled += len(values)
    if seen != len(structure) or filled != elements:
        raise ValueError("it ends early")
    return array


def _pieces(text: bytes) -> Iterator[bytes]:
    """The text in parts that end behind a comma, but for the last."""
    start = 0
    while len(text) - start > PIECE_BYTES:
        end = text.rfind(b",", start, start + PIECE_BYTES) + 1
        if not end:
            raise ValueError(f"a number takes more than {PIECE_BYTES} bytes")
        yield text[start:end]
        start = end
    yield text[start:]


@cache
def _decoder(dtype: str) -> msgspec.json.Decoder[Any]:
    """A decoder of a list that takes nothing but values of the type."""
    kind: Any = _element(np.dtype(dtype))
    return msgspec.json.Decoder(list[kind])


def _element(dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "b":
        return bool
    if dtype.kind == "f":
        return float
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    return Annotated[int, Meta(ge=low, le=high)] if high <= LARGEST_BOUND else Annotated[int, Meta(ge=low)]
