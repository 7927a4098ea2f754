"""From the body of an inference request to what is asked: JSON, followed by binary tensors where its parameters say so.

The binary tensors are Triton's extension of the protocol: header `Inference-Header-Content-Length` is the length of
the JSON, and behind it lie the inputs that have a parameter `binary_data_size`, in their order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from eerun.serve.errors import RequestError
from eerun.serve.oip.declared import Declared
from eerun.serve.oip.json_tensors import tensor_from_json
from eerun.serve.oip.requests import InferRequest, Parameter
from eerun.serve.oip.shown import shown
from eerun.serve.oip.tensors import Tensor, tensor_from_bytes
from eerun.serve.rest.json_keys import check_keys, count_keys

__all__ = ["Asked", "decode_request"]

MAX_STRINGS = 5000
MAX_SHAPE_BYTES = 1024
REMEDY = "Send what the Open Inference Protocol v2 says"
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


_DECODER = msgspec.json.Decoder(_Request)
_SHAPE = msgspec.json.Decoder(list[int])


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request, and how its answer is written.

    Attributes:
        request: what is asked.
        binary: names of the outputs that are wanted as binary tensors.
        all_binary: all that are not named are.
    """

    request: InferRequest
    binary: frozenset[str] = field(default_factory=frozenset)
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
    text = body if size == len(body) else body[:size]
    parsed = _parse(text)
    _refuse_extensions(parsed)
    declared = [Declared(given.name, given.datatype, _shape(given)) for given in parsed.inputs]
    check(declared)
    inputs = _tensors(parsed.inputs, declared, memoryview(body)[size:])
    default = _flag(parsed.parameters, "binary_data_output", default=False)
    return Asked(
        request=InferRequest(
            model=model,
            version=version,
            id=parsed.id,
            parameters=parsed.parameters,
            inputs=inputs,
            outputs=tuple(output.name for output in parsed.outputs),
        ),
        binary=frozenset(o.name for o in parsed.outputs if _flag(o.parameters, "binary_data", default=default)),
        all_binary=default and not parsed.outputs,
    )


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
    if text.count(b'"') > 2 * MAX_STRINGS:
        raise RequestError("body", f"got more than {MAX_STRINGS} strings in its JSON", REMEDY)
    try:
        parsed = _DECODER.decode(text)
        if count_keys(text) != _keys(parsed):
            check_keys(text)
    except (ValueError, RecursionError) as error:
        raise RequestError("body", f"it is not an inference request in JSON: {error}", REMEDY) from error
    if not parsed.inputs:
        raise RequestError("inputs", "got none, expected those of the model", REMEDY)
    return parsed


def _keys(parsed: _Request) -> int:
    """How many keys a request has that has each once, no empty fields, and none that are not known."""
    maps = [parsed.parameters, *(i.parameters for i in parsed.inputs), *(o.parameters for o in parsed.outputs)]
    parameters = sum(1 + len(found) for found in maps if found)
    with_data = sum(len(memoryview(given.data)) > 0 for given in parsed.inputs)
    own = 1 + bool(parsed.id) + bool(parsed.outputs)
    return own + parameters + 3 * len(parsed.inputs) + with_data + len(parsed.outputs)


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
    named = [(part.name, part.parameters) for part in parsed.inputs]
    named += [(part.name, part.parameters) for part in parsed.outputs]
    for where, parameters in named:
        for name in NOT_HERE:
            if parameters.get(name):
                problem = f"got parameter {name}, which this server does not have"
                raise RequestError(f"{where[:64]!r}", problem, "Remove it")


def _flag(parameters: dict[str, Parameter], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise RequestError(f"parameter {name}", f"got {shown(value)}, expected true or false", "Give one of them")
    return value
