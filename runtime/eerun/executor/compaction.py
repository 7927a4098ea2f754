"""Gather survivors to the front of the buffers, moving as few rows as possible.

A survivor behind row `target` moves into a row before it whose sample has left. Survivors that are in front already
stay: the order of rows carries no meaning, the executor keeps which sample each row holds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array

__all__ = ["Moves", "choose_rows", "move_rows", "plan_moves"]


class Moves(NamedTuple):
    """Row `sources[i]` goes to row `targets[i]`; no row is both."""

    targets: NDArray[np.intp]
    sources: NDArray[np.intp]


def choose_rows(alive: NDArray[np.bool_], run_ms: NDArray[np.float64], move_ms: float) -> int:
    """Return how many rows the next segment should run on: fewest milliseconds, moves included.

    Args:
        alive: `[rows]` which rows hold survivors, at least one.
        run_ms: `[rows + 1 or more]` milliseconds of the next segment on 0, 1, 2, … rows.
        move_ms: milliseconds to move one survivor.

    Returns:
        A number between the survivors' count and the number of rows. The latter means: keep all, ignore the dead.
    """
    rows = len(alive)
    behind = np.zeros(rows + 1)
    behind[:rows] = alive[::-1].cumsum()[::-1]
    least = int(behind[0])
    total = run_ms[least : rows + 1] + move_ms * behind[least:]
    return least + int(total.argmin())


def plan_moves(alive: NDArray[np.bool_], rows: int) -> Moves:
    """Return the moves that bring all survivors into the first `rows` rows, which are at least as many as they."""
    sources = np.flatnonzero(alive[rows:]) + rows
    targets = np.flatnonzero(~alive[:rows])[: len(sources)]
    return Moves(targets, sources)


def move_rows(buffers: Sequence[Array], moves: Moves) -> None:
    """Move rows in place, in every buffer `[rows, ...]`."""
    pairs = list(zip(moves.targets.tolist(), moves.sources.tolist(), strict=True))
    for buffer in buffers:
        for target, source in pairs:
            buffer[target] = buffer[source]
