"""The protocol's names of element types, and numpy's."""

from typing import Any

import numpy as np

from eerun.serve.errors import RequestError

__all__ = ["NAMES", "datatype_of", "dtype_of"]

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("bool"),
    "UINT8": np.dtype("uint8"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("int8"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
NAMES = {datatype: dtype.name for datatype, dtype in DTYPES.items()}
"""Numpy's name of each, as bundles declare it."""
DATATYPES = {name: datatype for datatype, name in NAMES.items()}


def dtype_of(datatype: str) -> np.dtype[Any]:
    """Return numpy's type.

    Raises:
        RequestError: the protocol does not have it, or no network takes it (`BYTES`, `BF16`).
    """
    dtype = DTYPES.get(datatype)
    if dtype is None:
        raise RequestError(
            "datatype", f"got {datatype[:32]!r}, expected one of {', '.join(DTYPES)}", "Convert the data"
        )
    return dtype


def datatype_of(dtype: str) -> str:
    """Return the protocol's name of a numpy type that a bundle declares."""
    return DATATYPES[np.dtype(dtype).name]
