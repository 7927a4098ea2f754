"""The identity of a split: which samples, in which order."""

import hashlib

import numpy as np

from eengines.tensors import Array
from eerun.data.data_set import Samples

__all__ = ["digest"]


def digest(samples: Samples) -> str:
    """Return the sha256, in hex, over name, dtype, shape and bytes of every input (sorted by name) and the labels."""
    state = hashlib.sha256()
    for name in sorted(samples.inputs):
        _update(state, f"input {name}", samples.inputs[name])
    if samples.labels is not None:
        _update(state, "labels", samples.labels)
    return state.hexdigest()


def _update(state: "hashlib._Hash", name: str, array: Array) -> None:
    little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    state.update(f"{name} {little_endian.dtype.str} {list(array.shape)}\n".encode())
    state.update(little_endian.reshape(-1).view(np.uint8).data)
