"""Inputs with a dynamic length: how long each sample is, and samples padded or cut to one length.

All inputs with a sequence axis share one length. A sample is as long as its last position where any of them holds
something else than its pad value.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eengines.errors import InputError
from eengines.tensors import Array
from eerun.bundle.manifest import InputEntry

__all__ = ["at_length", "one_length", "own_lengths", "sequence_inputs", "used_positions"]


def sequence_inputs(entries: Sequence[InputEntry]) -> dict[InputEntry, int]:
    """Return the inputs with a sequence axis, and which axis of an array `[samples, ...]` that is."""
    return {entry: entry.sequence + 1 for entry in entries if entry.sequence is not None}


def own_lengths(inputs: Mapping[str, Array], entries: Sequence[InputEntry]) -> NDArray[np.intp]:
    """Return how long each sample is, `[samples] intp`, 1 or more.

    Args:
        inputs: arrays `[samples, ...]` by input name, at least one with a sequence axis.
        entries: what the bundle declares.

    Raises:
        InputError: arrays of different lengths.
    """
    used: NDArray[np.bool_] | None = None
    for entry in sequence_inputs(entries):
        here = used_positions(inputs[entry.name], entry)
        if used is not None and used.shape != here.shape:
            problem = f"got a length of {here.shape[1]}, another input has {used.shape[1]}"
            raise InputError(f"input {entry.name!r}", problem, "Give all inputs of a sample with one length")
        used = here if used is None else used | here
    if used is None:
        raise InputError("input", "no input has a sequence axis", "Name the axis in the checkpoint's 'input'")
    last = used.shape[1] - used[:, ::-1].argmax(axis=1)
    return np.where(used.any(axis=1), last, 1)


def used_positions(array: Array, entry: InputEntry) -> NDArray[np.bool_]:
    """Return where an input holds something else than its pad value, `[samples, length] bool`."""
    assert entry.sequence is not None  # noqa: S101 - only called for such inputs
    other: NDArray[np.bool_] = np.moveaxis(array != entry.pad, entry.sequence + 1, 1)
    return np.asarray(other.any(axis=tuple(range(2, other.ndim)))) if other.ndim > 2 else other


def at_length(inputs: Mapping[str, Array], entries: Sequence[InputEntry], length: int) -> dict[str, Array]:
    """Return arrays whose sequence axis has this length, padded behind or cut; others, and those that fit, as given."""
    axes = {entry.name: (axis, entry.pad) for entry, axis in sequence_inputs(entries).items()}
    return {name: _fit(array, *axes[name], length) if name in axes else array for name, array in inputs.items()}


def one_length(inputs: Mapping[str, Array], entries: Sequence[InputEntry]) -> Mapping[str, Array]:
    """Return checked arrays as a network itself can take them: of one length, and not above the greatest.

    Args:
        inputs: arrays `[samples, ...]` by input name that `check_inputs` accepts: behind the greatest length there is
            nothing but padding, which is cut.
        entries: what the network declares.

    Raises:
        InputError: arrays of different lengths.
    """
    sequences = sequence_inputs(entries)
    if not sequences:
        return inputs
    own_lengths(inputs, entries)
    greatest = min(entry.shape[axis - 1] for entry, axis in sequences.items())
    given = min(inputs[entry.name].shape[axis] for entry, axis in sequences.items())
    return at_length(inputs, entries, min(given, greatest))


def _fit(array: Array, axis: int, pad: float, length: int) -> Array:
    missing = length - array.shape[axis]
    if missing <= 0:
        return array if not missing else array[(*[slice(None)] * axis, slice(length))]
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, missing)
    return np.pad(array, widths, constant_values=np.asarray(pad, array.dtype))
