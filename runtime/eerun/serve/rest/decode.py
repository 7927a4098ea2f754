"""From the body of an inference request to what is asked: JSON, followed by binary tensors where its parameters say so.

The binary tensors are Triton's extension of the protocol: header `Inference-Header-Content-Length` is the length of
the JSON, and behind it lie the inputs that have a parameter `binary_data_size`, in their order.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import msgspec

from eerun.serve.errors import RequestError
from eerun.serve.oip.declared import Declared
from eerun.serve.oip.json_tensors import tensor_from_json
from eerun.serve.oip.requests import InferRequest, Parameter
from eerun.serve.oip.shown import shown
from eerun.serve.oip.tensors import Tensor, tensor_from_bytes
from eerun.serve.rest.json_keys import check_keys

__all__ = ["Asked", "decode_request"]

MAX_STRINGS = 5000
MAX_SHAPE_BYTES = 1024
REMEDY = "Send what the Open Inference Protocol v2 says"
MOST_KEPT, MOST_KEPT_BYTES = 64, 4096
NOT_HERE = ("shared_memory_region", "classification")


class _Input(msgspec.Struct):
    name: str
    datatype: str
    shape: msgspec.Raw
    parameters: dict[str, Parameter] = {}
    data: msgspec.Raw = msgspec.Raw()


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Parameter] = {}


class _Request(msgspec.Struct):
    inputs: list[_Input]
    id: str = ""
    parameters: dict[str, Parameter] = {}
    outputs: list[_Output] = []


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in JSON, but for data of tensors. It may be that of several requests: nobody changes it."""

    parsed: _Request
    declared: tuple[Declared, ...]
    outputs: tuple[str, ...]
    binary: frozenset[str]
    all_binary: bool


_DECODER = msgspec.json.Decoder(_Request)
_SHAPE = msgspec.json.Decoder(list[int])


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request, and how its answer is written.

    Attributes:
        request: what is asked.
        binary: names of the outputs that are wanted as binary tensors.
        all_binary: all that are not named are.
    """

    request: InferRequest
    binary: frozenset[str] = frozenset()
    all_binary: bool = False


def decode_request(
    body: bytes,
    header_length: bytes | None,
    *,
    model: str,
    version: str | None,
    check: Callable[[Sequence[Declared]], None],
) -> Asked:
    """Read the body of a request to a model.

    Args:
        body: unpacked; binary tensors stay views of it.
        header_length: value of `Inference-Header-Content-Length`; None: the whole body is JSON.
        model: its name in the path.
        version: its version there; None: there is none.
        check: refuses inputs that the model does not take, before their data are read.

    Raises:
        RequestError: the body is not a request.
    """
    size = _header_size(header_length, len(body))
    text, often_the_same = body[:size], size < len(body) and size <= MOST_KEPT_BYTES
    head = _head_again(text) if often_the_same else _head(text)
    check(head.declared)
    return Asked(
        request=InferRequest(
            model=model,
            version=version,
            id=head.parsed.id,
            parameters=head.parsed.parameters,
            inputs=_tensors(head.parsed.inputs, head.declared, memoryview(body)[size:]),
            outputs=head.outputs,
        ),
        binary=head.binary,
        all_binary=head.all_binary,
    )


def _head(text: bytes) -> _Head:
    """What the JSON of a body says."""
    parsed = _parse(text)
    _refuse_extensions(parsed)
    default = _flag(parsed.parameters, "binary_data_output", default=False)
    return _Head(
        parsed=parsed,
        declared=tuple(Declared(given.name, given.datatype, _shape(given)) for given in parsed.inputs),
        outputs=tuple(output.name for output in parsed.outputs),
        binary=frozenset(o.name for o in parsed.outputs if _flag(o.parameters, "binary_data", default=default)),
        all_binary=default and not parsed.outputs,
    )


_head_again = lru_cache(maxsize=MOST_KEPT)(_head)
"""Clients that send binary tensors send the same JSON with them again and again."""


def _header_size(header_length: bytes | None, size: int) -> int:
    """How many bytes of the body are JSON."""
    if header_length is None:
        return size
    if not header_length.isdigit() or len(header_length) > 18 or int(header_length) > size:
        problem = f"got {header_length[:20].decode('latin-1')!r} for a body of {size} bytes"
        raise RequestError("header Inference-Header-Content-Length", problem, "Give the length of the JSON")
    return int(header_length)


def _parse(text: bytes) -> _Request:
    """The JSON."""
    quotes = text.count(b'"')
    if quotes > 2 * MAX_STRINGS:
        raise RequestError("body", f"got more than {MAX_STRINGS} strings in its JSON", REMEDY)
    try:
        parsed = _DECODER.decode(text)
        if quotes != 2 * _strings(parsed):
            check_keys(text)
    except (ValueError, RecursionError) as error:
        raise RequestError("body", f"it is not an inference request in JSON: {error}", REMEDY) from error
    if not parsed.inputs:
        raise RequestError("inputs", "got none, expected those of the model", REMEDY)
    return parsed


def _strings(parsed: _Request) -> int:
    """How many strings a request has, keys among them, if it has each key once and nothing empty or unknown."""
    strings = 1 + 2 * bool(parsed.id) + bool(parsed.outputs) + _strings_of(parsed.parameters)
    for given in parsed.inputs:
        strings += 5 + (memoryview(given.data).nbytes > 0) + _strings_of(given.parameters)
    for output in parsed.outputs:
        strings += 2 + _strings_of(output.parameters)
    return strings


def _strings_of(parameters: dict[str, Parameter]) -> int:
    """The same of parameters, with their own key."""
    if not parameters:
        return 0
    return 1 + len(parameters) + sum(isinstance(value, str) for value in parameters.values())


def _shape(given: _Input) -> list[int]:
    """The shape, unless it is so long that to read it costs more than to refuse it."""
    text = memoryview(given.shape)
    if len(text) > MAX_SHAPE_BYTES:
        problem = f"got shape with {len(text)} bytes of text, expected at most {MAX_SHAPE_BYTES}"
        raise RequestError("inputs", problem, REMEDY)
    try:
        return _SHAPE.decode(text)
    except ValueError as error:
        raise RequestError("body", f"it is not an inference request in JSON: shape: {error}", REMEDY) from error


def _tensors(inputs: Sequence[_Input], declared: Sequence[Declared], behind: memoryview) -> tuple[Tensor, ...]:
    """The inputs, from their JSON or from what lies behind it."""
    tensors, start = [], 0
    for given, (name, datatype, shape) in zip(inputs, declared, strict=True):
        size = given.parameters.get("binary_data_size")
        if size is None:
            tensors.append(_from_json(given, shape))
            continue
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(behind) - start:
            problem = f"got binary_data_size {shown(size)}, {len(behind) - start} bytes are left behind the JSON"
            raise RequestError(f"input {given.name!r}", problem, "Give the bytes of the tensor")
        if memoryview(given.data):
            raise RequestError(f"input {given.name!r}", "got both data and binary_data_size", "Give one of them")
        content = behind[start : start + size]
        tensors.append(tensor_from_bytes(name=name, datatype=datatype, shape=shape, content=content))
        start += size
    if start != len(behind):
        problem = f"{len(behind) - start} bytes are left over behind the inputs"
        raise RequestError("body", problem, "Give each binary input its binary_data_size")
    return tuple(tensors)


def _from_json(given: _Input, shape: Sequence[int]) -> Tensor:
    text = memoryview(given.data)
    if not text:
        raise RequestError(f"input {given.name!r}", "got neither data nor binary_data_size", "Give one of them")
    return tensor_from_json(name=given.name, datatype=given.datatype, shape=shape, data=text)


def _refuse_extensions(parsed: _Request) -> None:
    """Say of Triton's extensions that are not here that they are not, instead of answering something else."""
    parts: list[_Input | _Output] = [*parsed.inputs, *parsed.outputs]
    for part in parts:
        for name in NOT_HERE if part.parameters else ():
            if part.parameters.get(name):
                problem = f"got parameter {name}, which this server does not have"
                raise RequestError(f"{part.name[:64]!r}", problem, "Remove it")


def _flag(parameters: dict[str, Parameter], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise RequestError(f"parameter {name}", f"got {shown(value)}, expected true or false", "Give one of them")
    return value
