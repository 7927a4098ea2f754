"""Move thresholds to the middle of the gap between the last sample that leaves and the first that stays."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eecalib.replay import leave_at
from eecalib.thresholds.problem import Thresholds

__all__ = ["at_midpoints"]


def at_midpoints(scores: NDArray[np.float32], thresholds: Sequence[float | None]) -> Thresholds:
    """Return thresholds that decide the same on these scores, as far from them as they can be.

    A score then has to change by half a gap before a decision does, so that the rounding of another engine matters
    less. A threshold stays at the lowest score that leaves where there is no number between the two scores in
    float32, or where nobody stays. An exit where nobody leaves gets None.

    Args:
        scores: `[samples, exits] float32`.
        thresholds: one for each exit but the last; None: nobody leaves there.
    """
    index = leave_at(scores, thresholds)
    moved: list[float | None] = []
    for exit_ in range(len(thresholds)):
        leaving = scores[index == exit_, exit_]
        staying = scores[index > exit_, exit_]
        moved.append(_between(leaving.min(), staying) if len(leaving) else None)
    return tuple(moved)


def _between(lowest: np.float32, staying: NDArray[np.float32]) -> float:
    """Return a float32 number above all staying scores and not above the lowest that leaves."""
    if len(staying) == 0:
        return float(lowest)
    below = staying.max()
    middle = np.float32((float(lowest) + float(below)) / 2)
    return float(middle) if below < middle <= lowest else float(lowest)
