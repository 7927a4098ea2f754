"""What a batch costs when given shares of the samples leave at each exit, and shares that cost what they should."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.expected_cost import ExpectedCost

__all__ = ["F64", "ShareCost"]

F64 = NDArray[np.float64]

LEAST_SHARE = 1e-9
"""Shares are raised to this before they are tilted, so that every cost can be reached from any shares."""

GREATEST_TILT, ROUNDS, PARTS = 1e6, 7, 64
"""λ is sought between ± the first; in each round the interval is cut into parts, of which one is kept."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShareCost:
    """Expected milliseconds of a batch as a function of shares `[exits]`, linear between counts of samples.

    Attributes:
        cost: expected milliseconds of each segment by the number of samples that reach it.
    """

    cost: ExpectedCost

    @property
    def least_ms(self) -> float:
        """Cost when everybody leaves at the first exit."""
        return float(self.cost.segment_ms[0, -1] + self.cost.segment_ms[1:, 0].sum())

    @property
    def most_ms(self) -> float:
        """Cost when nobody leaves early."""
        return self.cost.full_ms

    def ms(self, shares: F64) -> F64:
        """Return the cost of shares `[..., exits]`, `[...] float64`."""
        position = _reached(shares) * self.cost.samples
        below = np.clip(position.astype(np.int64), 0, self.cost.samples - 1)
        exits = np.arange(shares.shape[-1])
        low, high = self.cost.segment_ms[exits, below], self.cost.segment_ms[exits, below + 1]
        total: F64 = (low + (high - low) * (position - below)).sum(axis=-1)
        return total

    def gradient(self, shares: F64) -> F64:
        """Return how the cost of shares `[exits]` changes with each of them, `[exits] float64`."""
        below = np.clip((_reached(shares) * self.cost.samples).astype(np.int64), 0, self.cost.samples - 1)
        exits = np.arange(len(shares))
        slope = (self.cost.segment_ms[exits, below + 1] - self.cost.segment_ms[exits, below]) * self.cost.samples
        saved: F64 = slope - np.cumsum(slope[::-1])[::-1]
        return saved

    def tilted(self, shares: F64, target_ms: float) -> F64:
        """Return the shares `p_k · exp(−λ · T_k)`, normalised, whose cost is `target_ms`, or is nearest to it.

        `T_k` is the cost when everybody leaves at exit k. Where the cost is linear in the shares these are, of all
        that cost this, the nearest to the given ones in Kullback-Leibler divergence (Csiszár 1975). The cost falls as
        λ rises, so that the result never costs more than the
        target, unless nothing is as cheap.

        Args:
            shares: `[exits]`, what to stay close to.
            target_ms: between `least_ms` and `most_ms`.
        """
        until = np.cumsum(self.cost.segment_ms[:, -1])
        log_shares = np.log(np.maximum(shares, LEAST_SHARE))

        def tilt(strength: F64) -> F64:
            logs = log_shares - strength[:, None] * until / until[-1]
            weights = np.exp(logs - logs.max(axis=1, keepdims=True))
            normalised: F64 = weights / weights.sum(axis=1, keepdims=True)
            return normalised

        dear, cheap = -GREATEST_TILT, GREATEST_TILT
        for _ in range(ROUNDS):
            strengths = np.linspace(dear, cheap, PARTS + 1)
            above = min(PARTS - 1, max(0, int((self.ms(tilt(strengths)) > target_ms).sum()) - 1))
            dear, cheap = float(strengths[above]), float(strengths[above + 1])
        best: F64 = tilt(np.array([cheap]))[0]
        return best


def _reached(shares: F64) -> F64:
    """Return the share that reaches each segment, `[..., exits]`."""
    gone = np.cumsum(shares, axis=-1) - shares
    reached: F64 = np.clip(1 - gone, 0, 1)
    return reached
