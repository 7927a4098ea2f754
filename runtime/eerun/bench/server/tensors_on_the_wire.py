"""Triton's binary tensor extension of the Open Inference Protocol v2, as far as a load generator needs it.

A body is a JSON text, whose length header `Inference-Header-Content-Length` gives, and behind it the tensors' bytes in
the order in which the text names them, little-endian and in C order.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec
import numpy as np

from eengines.tensors import Array
from eerun.serve.oip.datatypes import datatype_of, dtype_of

__all__ = ["InferHeader", "decode_answer", "encode_query", "request_head"]


class OutputHeader(msgspec.Struct):
    """An output tensor in the JSON part of an answer."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    parameters: dict[str, object] = {}
    data: list[object] | None = None


class InferHeader(msgspec.Struct):
    """The JSON part of an answer."""

    outputs: list[OutputHeader] = []


_DECODER = msgspec.json.Decoder(InferHeader)


def encode_query(inputs: Mapping[str, Array], outputs: Sequence[str]) -> tuple[int, bytes]:
    """Return length of the JSON part, and the body.

    Args:
        inputs: arrays `[samples, ...]` by input name.
        outputs: which outputs are wanted, as bytes; none: all.
    """
    tensors = {name: np.ascontiguousarray(array).tobytes() for name, array in inputs.items()}
    header: dict[str, object] = {
        "inputs": [
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": datatype_of(array.dtype.name),
                "parameters": {"binary_data_size": len(tensors[name])},
            }
            for name, array in inputs.items()
        ]
    }
    if outputs:
        header["outputs"] = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    else:
        header["parameters"] = {"binary_data_output": True}
    text = msgspec.json.encode(header)
    return len(text), b"".join([text, *tensors.values()])


def request_head(*, host: str, port: int, model: str, header_length: int, body_length: int) -> bytes:
    """Return request line and headers of `POST v2/models/{model}/infer`."""
    lines = (
        f"POST /v2/models/{quote(model, safe='')}/infer HTTP/1.1",
        f"Host: {host}:{port}",
        "Content-Type: application/octet-stream",
        f"Inference-Header-Content-Length: {header_length}",
        f"Content-Length: {body_length}",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def decode_answer(body: bytes, header_length: int) -> dict[str, Array]:
    """Return the outputs of an answer by name, those as bytes and those in JSON.

    Args:
        body: all of it.
        header_length: length of the JSON part; 0: there is nothing else.

    Raises:
        ValueError: it is not an answer of this protocol.
        RequestError: it has a type that no network gives.
    """
    start = header_length or len(body)
    header, found = _DECODER.decode(body[:start]), dict[str, Array]()
    for output in header.outputs:
        dtype = dtype_of(output.datatype)
        if output.data is not None:
            found[output.name] = np.array(output.data, dtype).reshape(output.shape)
            continue
        size = int(np.prod(output.shape)) * dtype.itemsize
        found[output.name] = np.frombuffer(body[start : start + size], dtype).reshape(output.shape)
        start += size
    return found
