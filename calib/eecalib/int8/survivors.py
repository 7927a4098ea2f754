"""Which calibration samples reach each segment, so that it is calibrated on what it will see."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_table import ExitTable
from eecalib.replay import replay
from eecalib.thresholds.grouped_search import group_scores

__all__ = ["FEWEST_SURVIVORS", "Survivors", "survivors_of"]

FEWEST_SURVIVORS = 32
"""Samples, or groups of a folded network, that a segment is calibrated on at the least.

With n of them, a new survivor exceeds the largest value of a tensor with chance 1 / (n + 1), here 3 %; with fewer,
missing tails cost more than the samples that do not belong.
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Survivors:
    """The calibration samples of one segment.

    Attributes:
        rows: `[rows] int64`, indices of samples, ascending; of a folded network of groups.
        reached: how many of them reach the segment under the thresholds.
        padded: whether others had to be added.
    """

    rows: NDArray[np.int64]
    reached: int
    padded: bool


def survivors_of(table: ExitTable, thresholds: Sequence[float | None]) -> tuple[Survivors, ...]:
    """Return the samples to calibrate each segment on, first to last.

    They are those that reach it. Where these are fewer than `FEWEST_SURVIVORS`, the other samples with the least
    scores at the exit before are added up to that number, or all if there are not as many: they came nearest to going
    on. Of equal scores the earlier sample is taken. Of a folded network groups are taken, by the score up to which a
    group leaves.

    Args:
        table: scores of the calibration samples at every exit.
        thresholds: one for each exit but the last; None: nobody leaves there.

    Raises:
        UserError: there are too few or too many thresholds, or one is NaN.
    """
    leaves = replay(table, thresholds).left_at
    scores = table.scores if table.fold == 1 else group_scores(table.scores, fold=table.fold, rule=table.rule)
    return tuple(_segment(scores, leaves >= segment, segment) for segment in range(table.exits))


def _segment(scores: NDArray[np.float32], reaches: NDArray[np.bool_], segment: int) -> Survivors:
    """Return the samples, or groups, of one segment, whose scores are `[rows, exits]`; all reach the first."""
    reached = int(reaches.sum())
    wanted = min(FEWEST_SURVIVORS, len(scores))
    if reached >= wanted:
        return Survivors(rows=np.flatnonzero(reaches), reached=reached, padded=False)
    # survivors first, then by score; both sorts are stable
    order = np.lexsort((scores[:, segment - 1], ~reaches))
    return Survivors(rows=np.sort(order[:wanted]), reached=reached, padded=True)
