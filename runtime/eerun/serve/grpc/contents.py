"""Inputs of a gRPC request: raw bytes beside the message, or typed numbers in it."""

from typing import Any

import numpy as np

from eerun.serve.errors import RequestError
from eerun.serve.grpc.parameters import parameters_of
from eerun.serve.oip.datatypes import dtype_of
from eerun.serve.oip.tensors import Tensor, check_shape, tensor_from_bytes

__all__ = ["tensors_of"]

CONTENTS = {
    "BOOL": ("bool_contents", "bool"),
    "INT8": ("int_contents", "int32"),
    "INT16": ("int_contents", "int32"),
    "INT32": ("int_contents", "int32"),
    "INT64": ("int64_contents", "int64"),
    "UINT8": ("uint_contents", "uint32"),
    "UINT16": ("uint_contents", "uint32"),
    "UINT32": ("uint_contents", "uint32"),
    "UINT64": ("uint64_contents", "uint64"),
    "FP32": ("fp32_contents", "float32"),
    "FP64": ("fp64_contents", "float64"),
}
"""Field of `InferTensorContents` for each datatype, and what its numbers are. `FP16` only comes as raw bytes."""
PIECE = 16 * 1024
"""So many numbers are read at a time: Python's lock is held until they are, and nobody else is served."""
REGION = "shared_memory_region"


def tensors_of(request: Any) -> tuple[Tensor, ...]:
    """Return the inputs of a `ModelInferRequest`; those that came as raw bytes are views of them.

    Raises:
        RequestError: they are not what the protocol says.
    """
    inputs, raw = request.inputs, request.raw_input_contents
    for each in inputs:
        if parameters_of(each.parameters).get(REGION):
            problem = "it lies in shared memory, which this server does not read"
            raise RequestError(_where(each), problem, "Send the data in the request")
        if raw and each.HasField("contents"):
            problem = "it has contents in a request with raw_input_contents"
            raise RequestError(_where(each), problem, "Send all inputs in one of these two ways")
    if not raw:
        return tuple(_typed(each) for each in inputs)
    if len(raw) != len(inputs):
        problem = f"got {len(raw)} raw_input_contents for {len(inputs)} inputs"
        raise RequestError("inputs", problem, "Send the bytes of each input, in the same order")
    return tuple(
        tensor_from_bytes(name=each.name, datatype=each.datatype, shape=each.shape, content=content)
        for each, content in zip(inputs, raw, strict=True)
    )


def _typed(each: Any) -> Tensor:
    """An input whose numbers are in the message."""
    dtype, elements = dtype_of(each.datatype), check_shape(each.name, each.shape)
    if each.datatype not in CONTENTS:
        problem = f"{each.datatype} has no field in InferTensorContents"
        raise RequestError(_where(each), problem, "Send raw_input_contents")
    field, sent = CONTENTS[each.datatype]
    given = getattr(each.contents, field)
    if len(given) != elements:
        problem = f"got {len(given)} {field}, expected {elements} for {each.datatype} {list(each.shape)}"
        raise RequestError(_where(each), problem, "Send as many numbers as the shape says")
    array = np.empty(elements, dtype)
    for start in range(0, elements, PIECE):
        part = slice(start, start + PIECE)
        numbers = np.array(given if elements <= PIECE else given[part], sent)
        array[part] = numbers
        if dtype.kind in "iu" and not np.array_equal(array[part], numbers):
            raise RequestError(_where(each), f"numbers do not fit into {each.datatype}", "Send numbers of that type")
    return Tensor(name=each.name, datatype=each.datatype, shape=tuple(each.shape), array=array.reshape(each.shape))


def _where(each: Any) -> str:
    return f"input {each.name[:64]!r}"
