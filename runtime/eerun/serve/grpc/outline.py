"""What a `ModelInferRequest` declares; of a large one, what its bytes say before protobuf makes a message of them.

Protobuf needs over 40 times the bytes of a message of many small parts, and the time to fill them.
"""

from typing import Any, NamedTuple

import numpy as np

from eerun.serve.errors import RequestError
from eerun.serve.grpc.message_table import INFER
from eerun.serve.grpc.wire import FIXED, Walk, signed, varint
from eerun.serve.oip.declared import Declared
from eerun.serve.oip.tensors import check_shape

__all__ = ["Outline", "check_numbers", "outline_of_bytes", "outline_of_message"]

MOST_FIELDS = 5000
MOST_SHAPE_BYTES = 1024
PIECE_BYTES = 2**20


def _numbers(message: str) -> dict[str, int]:
    """Numbers of the fields of a message, by their names."""
    fields = (field.split(" ") for field in INFER[message].split(", "))
    return {name: int(number) for _, name, number in fields}


REQUEST, INPUT = _numbers("ModelInferRequest"), _numbers("ModelInferRequest.InferInputTensor")
CONTENTS = _numbers("InferTensorContents")
WIDTHS = {CONTENTS["fp32_contents"]: 4, CONTENTS["fp64_contents"]: 8}
"""Bytes of each number; those of other fields vary."""


class Outline(NamedTuple):
    """Of a request, without its data.

    Attributes:
        model: name of the model.
        version: of it; empty: the one that is served.
        declared: its inputs.
        numbers: how many typed numbers each input has; none: nobody has counted them.
    """

    model: str
    version: str
    declared: tuple[Declared, ...]
    numbers: tuple[int, ...] = ()


def outline_of_message(sent: Any) -> Outline:
    """Return the outline of a message."""
    declared = tuple(Declared(each.name, each.datatype, each.shape) for each in sent.inputs)
    return Outline(sent.model_name, sent.model_version, declared)


def outline_of_bytes(content: bytes) -> Outline:
    """Return the outline of a message in its wire format, however large it is in a few milliseconds.

    Raises:
        RequestError: it is none, or it has thousands of fields.
    """
    walk, names, declared, numbers = Walk(MOST_FIELDS), {"model_name": "", "model_version": ""}, [], []
    for number, _, value in walk.fields(memoryview(content)):
        if isinstance(value, int):
            continue
        if number == REQUEST["inputs"]:
            tensor, count = _input(walk, value)
            declared.append(tensor)
            numbers.append(count)
        elif number == REQUEST["outputs"]:
            for _ in walk.fields(value):
                pass
        else:
            names.update({name: _text(value) for name in names if number == REQUEST[name]})
    return Outline(names["model_name"], names["model_version"], tuple(declared), tuple(numbers))


def check_numbers(outline: Outline) -> None:
    """Refuse inputs with other numbers than their shape says, where these were counted.

    Raises:
        RequestError: there are more or fewer, and not none, as there are beside raw bytes.
    """
    for (name, datatype, shape), count in zip(outline.declared, outline.numbers, strict=bool(outline.numbers)):
        elements = check_shape(name, shape)
        if count not in (0, elements):
            problem = f"got {count} numbers in its contents, expected {elements} for {datatype} {list(shape)}"
            raise RequestError(f"input {name[:64]!r}", problem, "Send as many numbers as the shape says")


def _input(walk: Walk, content: memoryview) -> tuple[Declared, int]:
    """What an `InferInputTensor` declares, and how many typed numbers it has."""
    texts, shape, count = {"name": "", "datatype": ""}, list[int](), 0
    for number, _, value in walk.fields(content):
        if number == INPUT["shape"]:
            shape += [signed(value)] if isinstance(value, int) else _shape(value)
        elif isinstance(value, int):
            continue
        elif number == INPUT["contents"]:
            count += sum(_count(*field) for field in walk.fields(value))
        else:
            texts.update({name: _text(value) for name in texts if number == INPUT[name]})
    return Declared(texts["name"], texts["datatype"], shape), count


def _shape(content: memoryview) -> list[int]:
    """Sizes that are packed one behind the other."""
    if len(content) > MOST_SHAPE_BYTES:
        problem = f"got shape with {len(content)} bytes, expected at most {MOST_SHAPE_BYTES}"
        raise RequestError("inputs", problem, "Give the shape of the data")
    sizes, at = list[int](), 0
    while at < len(content):
        size, at = varint(content, at)
        sizes.append(signed(size))
    return sizes


def _count(number: int, kind: int, value: int | memoryview) -> int:
    """How many numbers a field of `InferTensorContents` has: one, or many that are packed."""
    if isinstance(value, int) or kind in FIXED or number == CONTENTS["bytes_contents"]:
        return 1
    if number in WIDTHS:
        return len(value) // WIDTHS[number]
    ends = np.frombuffer(value, np.int8)  # the last byte of a varint has no highest bit
    return sum(int(np.count_nonzero(ends[at : at + PIECE_BYTES] >= 0)) for at in range(0, len(ends), PIECE_BYTES))


def _text(content: memoryview) -> str:
    """A string of the message."""
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError:
        raise RequestError("request", "a name in it is not in UTF-8", "Send it in UTF-8") from None
