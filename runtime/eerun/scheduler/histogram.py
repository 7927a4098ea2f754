"""A histogram of numbers that come a few at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Histogram"]

AT_ONCE = 1024
"""Numbers are sorted in when so many have come: to do that for a few costs as much."""


class Histogram:
    """Counts numbers up to each bound, and those above all of them.

    Args:
        bounds: upper bounds, ascending.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = np.array(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self._new = list[NDArray[np.float32]]()
        self._size = 0

    def add(self, values: NDArray[np.float32]) -> None:
        """Count numbers `[any]`, which do not change any more."""
        self._new.append(values)
        self._size += len(values)
        if self._size >= AT_ONCE:
            self._sort_in()

    def counts(self) -> tuple[int, ...]:
        """Return `[bounds + 1]` how many there were."""
        self._sort_in()
        return tuple(self._counts.tolist())

    def _sort_in(self) -> None:
        if self._new:
            index = np.searchsorted(self._bounds, np.concatenate(self._new))
            self._counts += np.bincount(index, minlength=len(self._counts))
            self._new, self._size = [], 0
