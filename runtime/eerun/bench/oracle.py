"""What a batch would cost if nothing but the segments took time, and how many samples must leave for a chain to pay."""

from collections.abc import Iterable

import numpy as np

from eerun.binomial import binomial
from eerun.costs import CostTable
from eerun.executor import Step

__all__ = ["break_even_share", "oracle_ms"]

BISECTIONS = 40


def oracle_ms(costs: CostTable, steps: Iterable[Step]) -> float:
    """Return Σ_k T_k(survivors_k): each segment on exactly those who reach it, covered in the cheapest way."""
    return sum(costs.run_ms(step.segment, step.entered) for step in steps)


def break_even_share(costs: CostTable, batch: int) -> float | None:
    """Return the smallest share of samples that must leave at the first exit for the chain to pay.

    Everyone else goes to the end. The number of survivors of a batch is binomial, as it is when the samples of a batch
    are drawn independently; the result is the share where the expected time reaches the whole network's. Time at
    boundaries is not counted.

    Args:
        costs: measured times.
        batch: samples a batch; a batch larger than the largest bucket counts as full parts.

    Returns:
        A share between 0 and 1; None: the first segment alone costs more than the whole network.
    """
    rows = min(batch, costs.max_batch)
    whole_ms = costs.of_whole().run_ms(0, rows)
    chain_ms = np.array(
        [
            costs.run_ms(0, rows) + sum(costs.run_ms(segment, survivors) for segment in range(1, costs.segments))
            for survivors in range(rows + 1)
        ]
    )
    if chain_ms[0] > whole_ms:
        return None
    if chain_ms[-1] <= whole_ms:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if float(binomial(rows, 1 - middle) @ chain_ms) <= whole_ms:
            high = middle
        else:
            low = middle
    return high
