"""Shares and counts of answers that are alike: of samples or, with one answer a pixel, of pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eerun.count_alike import blocks, count_alike, count_units

__all__ = ["count_only_first", "share_alike"]


def share_alike(answers: NDArray[Any], reference: NDArray[Any], ignored: int | None = None) -> float:
    """Return the share of answers `[samples, *map]` that are the reference's, of those that count; 0 if none does.

    Args:
        answers: integers.
        reference: the same.
        ignored: the label in the reference of pixels that do not count, or None.
    """
    units = int(count_units(reference, ignored).sum())
    return int(count_alike(answers, reference, ignored).sum()) / max(units, 1)


def count_only_first(first: NDArray[Any], second: NDArray[Any], labels: NDArray[Any], ignored: int | None) -> int:
    """Return how many answers are right in `first` and wrong in `second`, all `[samples, *map]`."""
    total = 0
    for rows in blocks(labels):
        only = (first[rows] == labels[rows]) & (second[rows] != labels[rows])
        if ignored is not None:
            only &= labels[rows] != ignored
        total += int(np.count_nonzero(only))
    return total
