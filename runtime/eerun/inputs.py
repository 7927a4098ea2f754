"""Check what the caller gives to `infer`, once, at the door."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from eengines.device import DeviceView
from eengines.errors import InputError
from eengines.tensors import Array
from eerun.bundle.manifest import InputEntry
from eerun.sequence import used_positions

__all__ = ["check_inputs", "check_views"]

View = Callable[[Any], DeviceView | None]


def check_inputs(given: Any, entries: Sequence[InputEntry]) -> dict[str, Array]:
    """Return arrays `[samples, ...]` by input name, without copying.

    Args:
        given: an array for a network with one input, else a mapping from input name to array. An array is numpy's, or
            anything on the host with DLPack (such as a torch CPU tensor).
        entries: what the bundle declares.

    Raises:
        InputError: an input is missing, has another dtype or shape, is empty, not finite or out of range.
    """
    arrays = {entry.name: _check(value, entry) for entry, value in _by_entry(given, entries)}
    _same_number({name: len(array) for name, array in arrays.items()})
    return arrays


def check_views(given: Any, entries: Sequence[InputEntry], view: View) -> dict[str, Array | DeviceView]:
    """The same for arrays that may lie on a device; of those nobody looks at the values.

    Args:
        given: as in `check_inputs`.
        entries: what the bundle declares.
        view: takes an array that lies where the chain runs; None: it does not.

    Raises:
        InputError: as in `check_inputs`.
    """
    arrays: dict[str, Array | DeviceView] = {}
    for entry, value in _by_entry(given, entries):
        there = None if isinstance(value, np.ndarray) else view(value)
        arrays[entry.name] = _check(value, entry) if there is None else _check_view(there, entry)
    _same_number({name: array.shape[0] for name, array in arrays.items()})
    return arrays


def _by_entry(given: Any, entries: Sequence[InputEntry]) -> list[tuple[InputEntry, Any]]:
    """What was given for each input."""
    if isinstance(given, Mapping):
        named = dict(given)
    elif len(entries) == 1:
        named = {entries[0].name: given}
    else:
        names = ", ".join(entry.name for entry in entries)
        raise InputError("input", f"got one array, expected a mapping with {names}", "Give one array for each name")
    unknown = sorted(named.keys() - {entry.name for entry in entries})
    if unknown:
        raise InputError("input", f"got {unknown}, which the network does not have", "Remove them")
    return [(entry, named.get(entry.name)) for entry in entries]


def _same_number(counts: Mapping[str, int]) -> None:
    if len(set(counts.values())) != 1:
        raise InputError("input", f"got different numbers of samples: {dict(counts)}", "Give the same number for each")


def _check(value: Any, entry: InputEntry) -> Array:
    """Check one input; text is made only for a refusal, because this runs for every call."""
    array = value if isinstance(value, np.ndarray) else _as_array(value, entry)
    if array.dtype != _dtype(entry.dtype) or array.shape[1:] != entry.shape or not array.ndim or not len(array):
        _check_length(array, entry)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        rows = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
        raise InputError(
            f"input {entry.name!r}", f"not finite (NaN or infinity) in samples {rows[:5].tolist()}", "Clean the data"
        )
    if entry.range is not None and not _always_within(entry.dtype, *entry.range):
        low, high = array.min(), array.max()
        if low < entry.range[0] or high > entry.range[1]:
            raise InputError(
                f"input {entry.name!r}",
                f"got values from {low} to {high}, expected {entry.range[0]:g} to {entry.range[1]:g}",
                "Scale the data as in training",
            )
    return array


def _check_length(array: Array, entry: InputEntry) -> None:
    """Accept an array that is shorter than the greatest length, or longer if there is nothing behind but padding."""
    sizes, shape = list(array.shape[1:]), list(entry.shape)
    if entry.sequence is None or len(sizes) != len(shape):
        raise _refusal(array.dtype.name, array.shape, entry)
    length, greatest = sizes[entry.sequence], shape[entry.sequence]
    sizes[entry.sequence] = greatest
    if array.dtype != entry.dtype or sizes != shape or not len(array) or not length:
        raise _refusal(array.dtype.name, array.shape, entry)
    behind = np.flatnonzero(used_positions(array, entry)[:, greatest:].any(axis=1))
    if len(behind):
        problem = f"got a length of {length}, expected at most {greatest}; samples {behind[:5].tolist()} are longer"
        raise InputError(f"input {entry.name!r}", problem, "Cut them to that length")


@cache
def _dtype(name: str) -> np.dtype[Any]:
    """Make a type of its name once: numpy takes long to do so."""
    return np.dtype(name)


@cache
def _always_within(dtype: str, low: float, high: float) -> bool:
    """Whether no value of an integer type is outside, so that nobody needs to look."""
    kind = np.dtype(dtype)
    return kind.kind in "iu" and low <= np.iinfo(kind).min and np.iinfo(kind).max <= high


def _check_view(view: DeviceView, entry: InputEntry) -> DeviceView:
    """Check dtype and shape of an array on the device."""
    if view.dtype != entry.dtype or view.shape[1:] != entry.shape or not view.shape or not view.shape[0]:
        raise _refusal(view.dtype, view.shape, entry)
    return view


def _expected(entry: InputEntry) -> str:
    sizes = [f"up to {size}" if axis == entry.sequence else str(size) for axis, size in enumerate(entry.shape)]
    return f"{entry.dtype} [batch, {', '.join(sizes)}]"


def _refusal(dtype: str, shape: tuple[int, ...], entry: InputEntry) -> InputError:
    """Why an array does not fit."""
    where, expected = f"input {entry.name!r}", _expected(entry)
    if dtype != entry.dtype:
        return InputError(where, f"got {dtype}, expected {expected}", f"Convert it with .astype({entry.dtype!r})")
    if shape[1:] != entry.shape or len(shape) != len(entry.shape) + 1:
        remedy = "Add a batch axis: x[None]" if shape == entry.shape else "Give samples of that shape"
        return InputError(where, f"got {dtype} {list(shape)}, expected {expected}", remedy)
    return InputError(where, "got no samples, expected at least 1", "Give a batch of one or more")


def _as_array(value: Any, entry: InputEntry) -> Array:
    """Turn what was given into an array that shares its memory."""
    where, expected = f"input {entry.name!r}", _expected(entry)
    if not hasattr(value, "__dlpack__"):
        raise InputError(where, f"got {type(value).__name__}, expected an array {expected}", "Give a numpy array")
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            where, f"DLPack refuses: {error}", "Give an array on the host, detached from any graph"
        ) from error
