"""Read `__cuda_array_interface__`, version 2 or 3.

Source: numba.readthedocs.io, "CUDA Array Interface (Version 3)".
"""

from collections.abc import Mapping
from itertools import accumulate
from operator import mul
from typing import Any

import numpy as np

from eengines.errors import InputError

__all__ = ["dense_shape", "native_dtype"]


def dense_shape(interface: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the shape of an array without gaps and without a mask.

    Raises:
        InputError: its rows are not one behind the other, or it has a mask.
    """
    shape = tuple(int(size) for size in interface["shape"])
    if interface.get("mask") is not None:
        raise InputError("input", "got an array with a mask, expected one without", "Fill what is masked")
    strides, item = interface.get("strides"), np.dtype(interface["typestr"]).itemsize
    dense = tuple(reversed([*accumulate((item, *shape[:0:-1]), mul)])) if shape else ()
    if strides is None or 0 in shape:
        return shape
    if any(size > 1 and step != expected for size, step, expected in zip(shape, strides, dense, strict=True)):
        raise InputError(
            "input",
            f"got an array {list(shape)} on the device with strides {list(strides)}, expected {list(dense)}",
            "Make it contiguous",
        )
    return shape


def native_dtype(interface: Mapping[str, Any]) -> str:
    """Return numpy's name of the element type.

    Raises:
        InputError: its bytes are in another order than this machine's.
    """
    dtype = np.dtype(interface["typestr"])
    if not dtype.isnative:
        raise InputError(
            "input", f"got elements {dtype.str}, expected the byte order of this machine", "Swap the bytes"
        )
    return str(dtype.name)
