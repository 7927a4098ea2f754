"""Thresholds by which given shares of the samples leave at each exit: quantiles of those that are still there.

Source: Ilhan et al., EENet, WACV 2024.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from eecalib.thresholds.midpoints import at_midpoints
from eecalib.thresholds.problem import Thresholds
from eecalib.tuning.share_cost import F64

__all__ = ["EVERYBODY", "Quantiles"]

EVERYBODY = float(np.finfo(np.float32).min)
"""The threshold at which everybody leaves, whatever the score is."""


class Quantiles:
    """The scores of some samples, and who leaves where for given shares.

    Args:
        scores: `[samples, exits] float32`.
    """

    def __init__(self, scores: NDArray[np.float32]) -> None:
        self._scores = scores

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """For each early exit the samples from the highest score to the lowest, `[exits - 1, samples]`."""
        return np.argsort(-self._scores[:, :-1].T, axis=1, kind="stable")

    def leave(self, shares: F64) -> NDArray[np.int64]:
        """Return the exit at which each sample leaves, `[samples] int64`.

        In the order of the exits, the highest scores of those still there leave, until the shares so far, rounded up
        to whole samples, have left. Rounding up makes it never cost more than the shares. Of equal scores some may
        leave and others stay.

        Args:
            shares: `[exits]`, summing to 1.
        """
        samples, exits = self._scores.shape
        gone_by = np.ceil(np.cumsum(shares)[:-1] * samples - 1e-6).astype(np.int64)
        index = np.full(samples, exits - 1, np.int64)
        there = np.ones(samples, np.bool_)
        gone = 0
        for exit_, order in enumerate(self._order):
            leaving = order[there[order]][: max(0, int(gone_by[exit_]) - gone)]
            index[leaving] = exit_
            there[leaving] = False
            gone += len(leaving)
        return index

    def thresholds(self, shares: F64) -> Thresholds:
        """Return one threshold for each exit but the last; None where nobody leaves.

        Of equal scores all leave. A threshold is in the middle between the last that leaves and the next.

        Args:
            shares: `[exits]`, summing to 1.
        """
        index = self.leave(shares)
        lowest: list[float | None] = []
        for exit_ in range(self._scores.shape[1] - 1):
            leaving = self._scores[index == exit_, exit_]
            lowest.append(float(leaving.min()) if len(leaving) else None)
        last = int(index.max())
        moved = at_midpoints(self._scores, lowest)
        return tuple(
            EVERYBODY if exit_ == last else threshold if exit_ < last else None for exit_, threshold in enumerate(moved)
        )
