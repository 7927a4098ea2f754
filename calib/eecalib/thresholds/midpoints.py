"""Move thresholds to the middle of the gap between the last sample that passes and the first that does not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eecalib.replay import leave
from eecalib.thresholds.problem import Thresholds
from eerun.folding import GroupExit

__all__ = ["at_midpoints"]

ROUNDING = 2.0**-16
"""Of a score, relatively: more than engines differ by that compute it in float32 in another order."""


def at_midpoints(
    scores: NDArray[np.float32], thresholds: Sequence[float | None], *, fold: int = 1, rule: GroupExit = GroupExit.ALL
) -> Thresholds:
    """Return thresholds that decide the same on these scores, as far from them as they can be.

    A score then has to change by half a gap before a decision does, so that the rounding of another engine matters
    less. A threshold stays at the lowest score that passes where there is no number between the two scores in
    float32, or where all pass; but where all images of a folded network pass, of which one that does not takes its
    whole group on, it goes below the lowest score: by as much as neighbours are apart on average, or by what rounding
    takes, if that is more. An exit that nobody passes gets None.

    Args:
        scores: `[samples, exits] float32`.
        thresholds: one for each exit but the last; None: nobody passes there.
        fold: images a group; 1: the network is not folded.
        rule: when a group leaves, where `fold` is above 1.
    """
    answered = leave(scores, thresholds, fold=fold, rule=rule).answered
    moved: list[float | None] = []
    for exit_, threshold in enumerate(thresholds):
        if threshold is None:
            moved.append(None)
            continue
        tested = scores[answered >= exit_, exit_]
        with np.errstate(over="ignore"):
            passes = tested >= np.float32(threshold)
        leaving, staying = tested[passes], tested[~passes]
        if not len(leaving):
            moved.append(None)
        elif len(staying):
            moved.append(_between(leaving.min(), staying))
        else:
            moved.append(float(leaving.min()) if fold == 1 else _below(leaving))
    return tuple(moved)


def _between(lowest: np.float32, staying: NDArray[np.float32]) -> float:
    """Return a float32 number above all staying scores and not above the lowest that leaves."""
    below = staying.max()
    middle = np.float32((float(lowest) + float(below)) / 2)
    return float(middle) if below < middle <= lowest else float(lowest)


def _below(leaving: NDArray[np.float32]) -> float:
    """Return a float32 number below all scores, which are all that there are."""
    lowest, highest = float(leaving.min()), float(leaving.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        return lowest
    margin = max((highest - lowest) / len(leaving), ROUNDING * abs(lowest), float(np.finfo(np.float32).tiny))
    with np.errstate(over="ignore"):
        below = np.float32(lowest - margin)
    return float(below) if np.isfinite(below) else lowest
