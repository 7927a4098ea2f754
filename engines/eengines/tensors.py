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
        dtype: numpy's name of the element type, such as `float32`.
        shape: the shape of one sample, without the batch axis.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """Bytes of one sample."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize


def allocate(spec: TensorSpec, rows: int) -> Array:
    """Return a zeroed, contiguous array `[rows, *spec.shape]` that the caller owns."""
    return np.zeros((rows, *spec.shape), np.dtype(spec.dtype))
