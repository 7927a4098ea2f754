"""What a lane knows of each row: whose samples it holds, and what becomes of them."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["CALL", "CHOSEN", "EARLY", "GONE", "SAMPLE", "STATE", "WAITS", "RowFacts"]

CALL, SAMPLE, STATE = range(3)
"""Columns: the number of the call, the sample of it, and its state."""

GONE, EARLY, WAITS, CHOSEN = range(4)
"""States. GONE: it was answered, or only fills up its row. EARLY: it was answered, is watched, and goes on to the final
exit. WAITS for its answer. CHOSEN: likewise, and it is watched."""


class RowFacts:
    """Facts of the rows at one stage; those that wait are in front, as in its buffers.

    Attributes:
        samples: `[rows, fold, 3] intp`, see the columns.
        missing: `[rows] int64` how many images must still pass for the group to leave; not used with a fold of 1.
        arrays: all of them, which move together with a row.
    """

    def __init__(self, rows: int, fold: int) -> None:
        self.samples: NDArray[np.intp] = np.zeros((rows, fold, 3), np.intp)
        self.missing: NDArray[np.int64] = np.zeros(rows, np.int64)
        self.arrays = (self.samples,) if fold == 1 else (self.samples, self.missing)

    def calls(self, rows: int) -> NDArray[np.intp]:
        """The numbers of the calls that have samples in the first rows, one entry a sample."""
        front = self.samples[:rows].reshape(-1, 3)
        return front[:, CALL].compress(front[:, STATE] != GONE)
