"""Check what the caller gives to `infer`, once, at the door."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eengines.errors import InputError
from eengines.tensors import Array
from eerun.bundle.manifest import InputEntry

__all__ = ["check_inputs"]


def check_inputs(given: Any, entries: Sequence[InputEntry]) -> dict[str, Array]:
    """Return arrays `[samples, ...]` by input name, without copying.

    Args:
        given: an array for a network with one input, else a mapping from input name to array. An array is numpy's, or
            anything on the host with DLPack (such as a torch CPU tensor).
        entries: what the bundle declares.

    Raises:
        InputError: an input is missing, has another dtype or shape, is empty, not finite or out of range.
    """
    if isinstance(given, Mapping):
        named = dict(given)
    elif len(entries) == 1:
        named = {entries[0].name: given}
    else:
        names = ", ".join(entry.name for entry in entries)
        raise InputError("input", f"got one array, expected a mapping with {names}", "Give one array for each name")
    unknown = sorted(set(named) - {entry.name for entry in entries})
    if unknown:
        raise InputError("input", f"got {unknown}, which the network does not have", "Remove them")
    arrays = {entry.name: _check(named.get(entry.name), entry) for entry in entries}
    if len({len(array) for array in arrays.values()}) != 1:
        counts = {name: len(array) for name, array in arrays.items()}
        raise InputError("input", f"got different numbers of samples: {counts}", "Give the same number for each")
    return arrays


def _check(value: Any, entry: InputEntry) -> Array:
    """Check one input."""
    where = f"input {entry.name!r}"
    expected = f"{entry.dtype} [batch, {', '.join(map(str, entry.shape))}]"
    array = _as_array(value, where, expected)
    if array.dtype.name != entry.dtype:
        raise InputError(
            where, f"got {array.dtype.name}, expected {expected}", f"Convert it with .astype({entry.dtype!r})"
        )
    if array.shape[1:] != entry.shape or array.ndim != len(entry.shape) + 1:
        remedy = "Add a batch axis: x[None]" if array.shape == entry.shape else "Give samples of that shape"
        raise InputError(where, f"got {array.dtype.name} {list(array.shape)}, expected {expected}", remedy)
    if not len(array):
        raise InputError(where, "got no samples, expected at least 1", "Give a batch of one or more")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        rows = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
        raise InputError(where, f"not finite (NaN or infinity) in samples {rows[:5].tolist()}", "Clean the data")
    if entry.range is not None and (array.min() < entry.range[0] or array.max() > entry.range[1]):
        got, low_high = f"{array.min()} to {array.max()}", f"{entry.range[0]:g} to {entry.range[1]:g}"
        raise InputError(where, f"got values from {got}, expected {low_high}", "Scale the data as in training")
    return array


def _as_array(value: Any, where: str, expected: str) -> Array:
    """Turn what was given into an array that shares its memory."""
    if isinstance(value, np.ndarray):
        return value
    if not hasattr(value, "__dlpack__"):
        raise InputError(where, f"got {type(value).__name__}, expected an array {expected}", "Give a numpy array")
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            where, f"DLPack refuses: {error}", "Give an array on the host, detached from any graph"
        ) from error
