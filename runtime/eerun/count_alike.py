"""How many answers of each sample are those of a reference: of one answer 0 or 1, of a map a number of pixels."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["blocks", "count_alike", "count_units"]

BLOCK_BYTES = 1 << 24
"""Answers that are looked at together; the arrays themselves may be mapped from a file."""


def count_alike(answers: NDArray[Any], reference: NDArray[Any], ignored: int | None) -> NDArray[np.int64]:
    """Return how many answers of a sample are the reference's, `[samples] int64`.

    Args:
        answers: `[samples, *map]` integers; `*map` is nothing, or height and width.
        reference: the same.
        ignored: the label in the reference of pixels that do not count, or None.
    """
    if answers.ndim == 1:
        return np.asarray(answers == reference, np.int64)
    counts = np.empty(len(answers), np.int64)
    for rows in blocks(answers):
        same = answers[rows] == reference[rows]
        if ignored is not None:
            same &= reference[rows] != ignored
        counts[rows] = np.count_nonzero(same, axis=(1, 2))
    return counts


def count_units(reference: NDArray[Any], ignored: int | None) -> NDArray[np.int64]:
    """Return how many answers of a sample count, `[samples] int64`: 1, or the pixels that are not ignored."""
    units = np.full(len(reference), int(np.prod(reference.shape[1:])), np.int64)
    if ignored is not None and reference.ndim > 1:
        for rows in blocks(reference):
            units[rows] -= np.count_nonzero(reference[rows] == ignored, axis=(1, 2))
    return units


def blocks(array: NDArray[Any]) -> Iterator[slice]:
    """Slices of samples that hold at most `BLOCK_BYTES`, or one sample."""
    step = max(1, BLOCK_BYTES // max(1, array[:1].nbytes))
    return (slice(start, start + step) for start in range(0, len(array), step))
