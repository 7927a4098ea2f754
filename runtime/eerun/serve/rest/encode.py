"""From an answer to the body of a response: JSON, followed by binary tensors where the client wants them."""

import gzip
import zlib
from typing import Any

import msgspec
import numpy as np

from eerun.serve.errors import AnswerError
from eerun.serve.oip.requests import InferResponse
from eerun.serve.oip.tensors import Tensor
from eerun.serve.rest.decode import Asked
from eerun.serve.rest.errors_in_json import JSON, Header

__all__ = ["encode_response", "pack"]

BINARY: Header = (b"content-type", b"application/octet-stream")
LEAST_TO_PACK = 512
LEVEL = 1


def encode_response(response: InferResponse, asked: Asked) -> tuple[list[Header], bytes]:
    """Return the headers and the body.

    Raises:
        AnswerError: a number of an output in JSON is NaN or infinite.
    """
    outputs, behind = [], []
    for tensor in response.outputs:
        output: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if asked.all_binary or tensor.name in asked.binary:
            content = tensor.array.tobytes()
            behind.append(content)
            output["parameters"] = {"binary_data_size": len(content)}
        else:
            output["data"] = _numbers(tensor)
        outputs.append(output)
    answer: dict[str, Any] = {"model_name": response.model, "model_version": response.version}
    if response.id:
        answer["id"] = response.id
    if response.parameters:
        answer["parameters"] = response.parameters
    answer["outputs"] = outputs
    text = msgspec.json.encode(answer)
    if not behind:
        return [JSON], text
    return [BINARY, (b"inference-header-content-length", b"%d" % len(text))], b"".join((text, *behind))


def pack(body: bytes, accepted: bytes) -> tuple[list[Header], bytes]:
    """Return the body in an encoding that the client takes, where that is shorter.

    Args:
        body: of the response.
        accepted: value of `Accept-Encoding`; empty: there is none.
    """
    if not accepted or len(body) < LEAST_TO_PACK:
        return [], body
    offers = {name.strip(): weight for name, _, weight in (item.partition(b";") for item in accepted.split(b","))}
    taken = [name for name in (b"gzip", b"deflate") if name in offers and not _never(offers[name])]
    if not taken:
        return [], body
    packed = gzip.compress(body, LEVEL, mtime=0) if taken[0] == b"gzip" else zlib.compress(body, LEVEL)
    if len(packed) >= len(body):
        return [], body
    return [(b"content-encoding", taken[0]), (b"vary", b"accept-encoding")], packed


def _never(weight: bytes) -> bool:
    """Whether `;q=` says that an encoding is not wanted."""
    return weight.replace(b" ", b"").removeprefix(b"q=").rstrip(b"0") in (b"", b"0.", b".") and bool(weight)


def _numbers(tensor: Tensor) -> list[Any]:
    if tensor.array.dtype.kind == "f" and not np.isfinite(tensor.array).all():
        problem = "the network answers NaN or infinity, which JSON does not have"
        raise AnswerError(f"output {tensor.name!r}", problem, "Ask for binary outputs, or look at the network")
    numbers: list[Any] = tensor.array.ravel().tolist()
    return numbers
