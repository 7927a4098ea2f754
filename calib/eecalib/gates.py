"""Who would leave at each exit, or head, by itself, if it may lose a little: the first look at sets of exits."""

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_table import ExitTable

__all__ = ["LOSSES", "gate_hits"]

LOSSES = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08)
"""Of the final exit's right answers among those that leave at an exit: how much it may lose, in the first look."""


def gate_hits(table: ExitTable, loss: float) -> NDArray[np.bool_]:
    """Return whether a sample passes the gate of each exit, `[exits - 1, samples] bool`.

    The gate is the lowest threshold at which those above it have at most this share of right answers less than the
    final exit has.

    Args:
        table: scores and answers of all exits, or of all candidate heads, the final exit last.
        loss: see above.
    """
    right = table.correct
    hits = np.zeros((table.exits - 1, table.samples), np.bool_)
    for head in range(table.exits - 1):
        order = np.argsort(-table.scores[:, head], kind="stable")
        scores = table.scores[order, head]
        lost = np.cumsum(right[order, -1] - right[order, head])
        ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))  # all of one score leave, or none
        good = ends[lost[ends] <= loss * np.cumsum(right[order, -1])[ends]]
        if len(good):
            hits[head] = table.scores[:, head] >= scores[good[-1]]
    return hits
