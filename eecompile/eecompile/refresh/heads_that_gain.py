"""Which heads keep what they have learned."""

from collections.abc import Sequence

import numpy as np

__all__ = ["heads_that_gain"]

ROUNDING = 1e-9
"""Shares are quotients of counts; a gain that is met exactly is met."""


def heads_that_gain(
    groups: Sequence[Sequence[int]], before: Sequence[float], after: Sequence[float], *, min_gain: float
) -> frozenset[int]:
    """Return the indices of the heads whose score rose by at least `min_gain`, and rose at all.

    Args:
        groups: heads that share weights are in one group; they are replaced together or not at all, by their mean.
        before: score of each head with its old weights.
        after: score with its new weights, on the same samples.
        min_gain: an absolute difference of two shares.
    """
    gains = np.subtract(after, before)
    means = [(group, float(np.mean(gains[list(group)]))) for group in groups]
    return frozenset(head for group, gain in means for head in group if gain > ROUNDING and gain >= min_gain - ROUNDING)
