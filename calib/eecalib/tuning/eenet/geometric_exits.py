"""Shares of the exits that fall or rise from each exit to the next by the same factor.

`p_k ∝ ρ^k`: one number for the whole network, a baseline of EENet (there called exp; Ilhan et al., WACV 2024). Here it
is sought under the budget and never goes above it.
"""

import numpy as np

from eecalib.tuning.share_cost import F64, ShareCost

__all__ = ["geometric_shares"]

STEEPEST, HALVINGS = 60.0, 60
"""Greatest |log ρ|, and halvings of its interval: shares to about the accuracy of float64."""


def geometric_shares(cost: ShareCost, target_ms: float) -> F64:
    """Return the geometric shares `[exits]` of the greatest cost that is at most the target.

    Args:
        cost: of a batch; it rises with ρ.
        target_ms: at least `cost.least_ms`.
    """
    exits = np.arange(len(cost.cost.segment_ms))

    def shares(log_ratio: float) -> F64:
        weights = np.exp(log_ratio * exits - max(0.0, log_ratio * exits[-1]))
        normalised: F64 = weights / weights.sum()
        return normalised

    fast, slow = -STEEPEST, STEEPEST
    if cost.ms(shares(slow)) <= target_ms:
        return shares(slow)
    for _ in range(HALVINGS):
        middle = (fast + slow) / 2
        if cost.ms(shares(middle)) <= target_ms:
            fast = middle
        else:
            slow = middle
    return shares(fast)
