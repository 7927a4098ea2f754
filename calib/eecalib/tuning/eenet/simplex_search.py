"""Search all ways to share samples among exits for the one with the most right answers at a cost."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from eecalib.tuning.eenet.quantile_thresholds import Quantiles
from eecalib.tuning.share_cost import F64, ShareCost

__all__ = ["SimplexSearch"]

GRID_POINTS = 1_000
"""Shares that are tried for all budgets: a full grid where it is no larger than this, else Dirichlet draws."""

STARTS = 2
STEPS = (0.08, 0.03, 0.01)
"""How many of them are refined, and by how much share is moved from one exit to another."""


class SimplexSearch:
    """What the samples of one recording get right, for any shares.

    Args:
        quantiles: their scores.
        right: `[samples, exits] bool`, whether an exit has a sample right.
        cost: of a batch.
        seed: of the draws where there are too many exits for a grid.
    """

    def __init__(self, quantiles: Quantiles, right: NDArray[np.bool_], cost: ShareCost, *, seed: int) -> None:
        self._quantiles, self._right, self._cost = quantiles, right, cost
        self._tried = _grid(right.shape[1], seed)
        self._tried_correct = np.array([self.correct(shares) for shares in self._tried])
        self._tried_ms = cost.ms(self._tried)

    def correct(self, shares: F64) -> int:
        """Return how many samples are right."""
        index = self._quantiles.leave(shares)
        return int(self._right[np.arange(len(index)), index].sum())

    def best(self, target_ms: float, also: F64) -> F64:
        """Return the shares `[exits]` with the most right answers found whose cost is at most the target.

        The best of the shares tried are tilted to the target, then share is moved between any two exits, tilted again,
        and kept if more samples are right, with steps that get smaller.

        Args:
            target_ms: at least `least_ms` of the cost.
            also: shares to start from as well.
        """
        hopeful = np.where(self._tried_ms <= target_ms, self._tried_correct, -1)
        starts = [also, *self._tried[np.argsort(-hopeful, kind="stable")[: 2 * STARTS]]]
        tilted = [self._cost.tilted(each, target_ms) for each in starts]
        ranked = sorted(tilted, key=self.correct, reverse=True)[:STARTS]
        return max((self._refined(each, target_ms) for each in ranked), key=self.correct)

    def _refined(self, shares: F64, target_ms: float) -> F64:
        """Move share between exits as long as it helps."""
        most, exits = self.correct(shares), len(shares)
        for step in STEPS:
            for giver in range(exits):
                for taker in range(exits):
                    moved = min(step, float(shares[giver]))
                    if taker == giver or moved == 0:
                        continue
                    changed = shares.copy()
                    changed[giver] -= moved
                    changed[taker] += moved
                    changed = self._cost.tilted(changed, target_ms)
                    correct = self.correct(changed)
                    if correct > most:
                        shares, most = changed, correct
        return shares


def _grid(exits: int, seed: int) -> F64:
    """Return shares `[points, exits]`: all multiples of the finest step that gives few enough, else random ones."""
    finest = [parts for parts in range(4, 41) if _count(exits, parts) <= GRID_POINTS]
    if exits > 1 and not finest:
        return np.random.default_rng(seed).dirichlet(np.ones(exits), GRID_POINTS)
    parts = finest[-1] if finest else 1
    bars = np.array(list(combinations(range(parts + exits - 1), exits - 1)), np.int64).reshape(-1, exits - 1)
    ends = np.full((len(bars), 1), parts + exits - 1)
    counts = np.diff(np.concatenate([np.full((len(bars), 1), -1), bars, ends], axis=1), axis=1) - 1
    grid: F64 = counts / parts
    return grid


def _count(exits: int, parts: int) -> int:
    """Return how many ways there are to deal equal parts to exits."""
    from math import comb

    return comb(parts + exits - 1, exits - 1)
