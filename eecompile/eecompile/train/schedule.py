"""The steps of a training run, and the learning rate over them."""

import math

__all__ = ["rate_share", "steps_of"]

WARM_UP = 0.1
"""Share of the steps in which the rate rises."""


def rate_share(step: int, steps: int) -> float:
    """Share of the peak rate at `step` of `steps`, counted from 0: a linear rise, then a cosine to nearly 0."""
    rise = max(1, round(WARM_UP * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step + 1 - rise) / (steps + 1 - rise)))


def steps_of(samples: int, batch: int) -> int:
    """How many steps an epoch has: batches differ by at most one sample, and none is of one sample alone."""
    return max(1, min(-(-samples // batch), samples // 2))
