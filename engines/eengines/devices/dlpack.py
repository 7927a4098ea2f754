"""Read a DLPack capsule without taking it over.

Source: the structures of dmlc.github.io/dlpack, `DLManagedTensor` of version 0.x, which every producer still gives to
whoever asks for no version. A capsule that nobody renames frees its tensor when it is collected.
"""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eengines.errors import InputError

__all__ = ["CUDA", "CUDA_MANAGED", "DlTensor", "read_capsule"]

CUDA = 2
"""`kDLCUDA`."""

CUDA_MANAGED = 13
"""`kDLCUDAManaged`."""

KINDS: Mapping[int, str] = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 6: "bool"}
"""`DLDataTypeCode` → beginning of numpy's name."""


class _Tensor(ctypes.Structure):
    """`DLTensor`."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("device_kind", ctypes.c_int32),
        ("device_ordinal", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


@dataclass(frozen=True, kw_only=True)
class DlTensor:
    """What a capsule says.

    Attributes:
        address: of the first element.
        dtype: numpy's name of the element type, or `bfloat16`.
        itemsize: bytes of an element.
        shape: of the tensor.
        strides: in elements; None: C-contiguous.
    """

    address: int
    dtype: str
    itemsize: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None


def read_capsule(capsule: Any) -> DlTensor:
    """Read what `__dlpack__` returned; the tensor lives as long as the capsule.

    Raises:
        InputError: its element type has no name in numpy.
    """
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    tensor = _Tensor.from_address(get(capsule, b"dltensor"))
    if tensor.lanes != 1 or tensor.code not in KINDS:
        got = f"type code {tensor.code} of {tensor.bits} bits and {tensor.lanes} lanes"
        raise InputError("input", f"got an array with elements of DLPack {got}, expected numbers", "Convert it")
    rank = tensor.rank
    return DlTensor(
        address=(tensor.data or 0) + tensor.byte_offset,
        dtype="bool" if tensor.code == 6 else f"{KINDS[tensor.code]}{tensor.bits}",
        itemsize=tensor.bits // 8,
        shape=tuple(tensor.shape[:rank]) if rank else (),
        strides=tuple(tensor.strides[:rank]) if rank and tensor.strides else None,
    )
