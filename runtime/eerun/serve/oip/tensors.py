"""A tensor of a request or an answer."""

from collections.abc import Sequence
from math import prod

import msgspec
import numpy as np

from eengines.tensors import Array
from eerun.serve.errors import RequestError
from eerun.serve.oip.datatypes import dtype_of

__all__ = ["Tensor", "check_shape", "tensor_from_bytes"]

MAX_DIMENSIONS = 32
MAX_ELEMENTS = 2**40


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """A named array.

    Attributes:
        name: of an input or output.
        datatype: the protocol's name, such as `FP32`.
        shape: shape of `array`.
        array: `[batch, ...]`; of a request it may be a view of the body, which nobody writes to.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    array: Array


def check_shape(name: str, shape: Sequence[int]) -> int:
    """Return the number of elements, before anything is made of that size.

    Raises:
        RequestError: a dimension is negative, or there are too many of them or of elements.
    """
    if len(shape) <= MAX_DIMENSIONS and (not shape or (min(shape) >= 0 and max(shape) <= MAX_ELEMENTS)):
        elements = prod(shape)
        if elements <= MAX_ELEMENTS:
            return elements
    problem = f"got shape {list(shape[:MAX_DIMENSIONS])}, expected sizes of 0 or more of an array that fits"
    raise RequestError(f"input {name!r}", problem, "Give the shape of the data")


def tensor_from_bytes(
    *, name: str, datatype: str, shape: Sequence[int], content: bytes | bytearray | memoryview
) -> Tensor:
    """Return a view of raw little-endian elements in row-major order.

    Raises:
        RequestError: there are not as many bytes as the shape says, or an unknown datatype.
    """
    dtype, elements = dtype_of(datatype), check_shape(name, shape)
    given = memoryview(content).nbytes
    if given != elements * dtype.itemsize:
        problem = f"got {given} bytes, expected {elements * dtype.itemsize} for {datatype} {list(shape)}"
        raise RequestError(f"input {name!r}", problem, "Send the tensor in row-major order, without gaps")
    array = np.frombuffer(content, dtype).reshape(shape)
    return Tensor(name=name, datatype=datatype, shape=tuple(shape), array=array)
