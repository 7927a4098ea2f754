"""Random samples, where no real ones are at hand."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.bundle.manifest import InputEntry
from eerun.sequence import sequence_inputs

__all__ = ["random_inputs"]


def random_inputs(entries: Sequence[InputEntry], samples: int, *, seed: int) -> dict[str, Array]:
    """Return `[samples, ...]` for each input.

    Floats are uniform in the declared range, or 0 to 1; bytes are 0 to 255; other integers are 0 or 1, which every
    vocabulary has. With a sequence axis samples have random lengths: up to there no integer is the pad value, behind
    all are. A mask, of 0 or 1 with pad value 0, is so ones and then zeros.
    """
    generator = np.random.default_rng(seed)
    arrays = {entry.name: _random(entry, samples, generator) for entry in entries}
    sequences = sequence_inputs(entries)
    if sequences:
        longest = min(entry.shape[axis - 1] for entry, axis in sequences.items())
        lengths = generator.integers(1, longest, samples, endpoint=True)
        for entry, axis in sequences.items():
            _pad_behind(arrays[entry.name], axis, entry, lengths)
    return arrays


def _random(entry: InputEntry, samples: int, generator: np.random.Generator) -> Array:
    shape, dtype = (samples, *entry.shape), np.dtype(entry.dtype)
    low, high = entry.range or (0.0, 1.0)
    if dtype.kind == "f":
        return generator.uniform(low, high, shape).astype(dtype)
    if entry.range is None and dtype == np.uint8:
        high = 255
    array = generator.integers(int(low), int(high) + 1, shape)
    if entry.sequence is not None:
        array[array == entry.pad] = int(high) if entry.pad != high else int(low)
    return array.astype(dtype)


def _pad_behind(array: Array, axis: int, entry: InputEntry, lengths: NDArray[np.int64]) -> None:
    """Put the pad value behind the length of each sample, in place."""
    behind = np.arange(array.shape[axis]) >= lengths[:, None]
    np.moveaxis(array, axis, 1)[behind] = entry.pad
