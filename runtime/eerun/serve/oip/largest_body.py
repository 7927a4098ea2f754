"""How many bytes a request to a model can have: its samples cannot be more than may wait."""

from collections.abc import Sequence
from math import prod

from eerun.bundle.manifest import InputEntry

__all__ = ["MOST_CHARACTERS", "brackets_of", "largest_body"]

MOST_CHARACTERS = 32
"""Of an element in JSON, or of a pair of brackets, with the blanks around it: float64 takes up to 24."""
REST_BYTES = 64 * 1024
"""Of names, parameters and shapes."""


def largest_body(entries: Sequence[InputEntry], most_samples: int) -> int:
    """Return the bytes of the largest body that holds so many samples, as JSON, which is longer than binary tensors.

    Args:
        entries: inputs of the bundle.
        most_samples: that may wait at once.
    """
    return REST_BYTES + sum(_bytes(entry, most_samples) for entry in entries)


def brackets_of(shape: Sequence[int]) -> int:
    """Return how many pairs of brackets nested data of a shape have."""
    pairs, rows = 1, 1
    for size in shape[:-1]:
        rows *= size
        pairs += rows
    return pairs


def _bytes(entry: InputEntry, most_samples: int) -> int:
    shape = (most_samples, *entry.shape)
    return MOST_CHARACTERS * (prod(shape) + brackets_of(shape))
