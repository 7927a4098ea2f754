"""What a tensor between segments looks like: batch first, one row a sample."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "TensorSpec", "allocate"]

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """A tensor with a batch axis in front.

    Attributes:
        name: the tensor's name in the ONNX graph.
        dtype: numpy's name of the element type, such as `float32`; or `bfloat16`, which numpy does not have and which
            is kept as the `uint16` of the same bits.
        shape: the shape of one sample, without the batch axis.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def storage(self) -> np.dtype[Any]:
        """The dtype of arrays that hold it."""
        return np.dtype("uint16" if self.dtype == "bfloat16" else self.dtype)

    @property
    def row_bytes(self) -> int:
        """Bytes of one sample."""
        return prod(self.shape) * self.storage.itemsize


def allocate(spec: TensorSpec, rows: int) -> Array:
    """Return a zeroed, contiguous array `[rows, *spec.shape]` that the caller owns."""
    return np.zeros((rows, *spec.shape), spec.storage)
