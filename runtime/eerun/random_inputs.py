"""Random samples, where no real ones are at hand."""

from collections.abc import Sequence

import numpy as np

from eengines.tensors import Array
from eerun.bundle.manifest import InputEntry

__all__ = ["random_inputs"]


def random_inputs(entries: Sequence[InputEntry], samples: int, *, seed: int) -> dict[str, Array]:
    """Return `[samples, ...]` for each input.

    Floats are uniform in the declared range, or 0 to 1; bytes are 0 to 255; other integers are 0 or 1, which every
    vocabulary has.
    """
    generator = np.random.default_rng(seed)
    return {entry.name: _random(entry, samples, generator) for entry in entries}


def _random(entry: InputEntry, samples: int, generator: np.random.Generator) -> Array:
    shape, dtype = (samples, *entry.shape), np.dtype(entry.dtype)
    low, high = entry.range or (0.0, 1.0)
    if dtype.kind == "f":
        return generator.uniform(low, high, shape).astype(dtype)
    if entry.range is None and dtype == np.uint8:
        high = 255
    return generator.integers(int(low), int(high) + 1, shape).astype(dtype)
