"""What a batch would cost if nothing but the segments took time, and how many samples must leave for a chain to pay."""

from collections.abc import Iterable

import numpy as np

from eerun.binomial import binomial
from eerun.costs import CostTable
from eerun.executor import Step

__all__ = ["break_even_share", "oracle_ms"]

BISECTIONS = 40


def oracle_ms(costs: CostTable, steps: Iterable[Step]) -> float:
    """Return Σ_k T_k(survivors_k): each segment on exactly those who reach it, covered in the cheapest way.

    A head that is a graph of its own runs on exactly those who are tested.
    """
    return sum(
        costs.run_ms(step.segment, step.entered) + (costs.run_head_ms(step.segment, step.tested) if step.tested else 0)
        for step in steps
    )


def break_even_share(costs: CostTable, batch: int) -> float | None:
    """Return the smallest share of rows that must leave at the first exit for the chain to pay.

    Everyone else goes to the end. The number of survivors of a batch is binomial, as it is when the rows of a batch
    are drawn independently; the result is the share where the expected time reaches the whole network's. Time at
    boundaries is not counted, and every head runs for all that reach it.

    Args:
        costs: measured times.
        batch: rows a batch; a batch larger than the largest bucket counts as full parts.

    Returns:
        A share between 0 and 1; None: the first segment alone costs more than the whole network.
    """
    rows = min(batch, costs.max_batch)
    whole_ms = costs.of_whole().run_ms(0, rows)
    chain_ms = np.array(
        [
            _exit_ms(costs, 0, rows) + sum(_exit_ms(costs, segment, survivors) for segment in range(1, costs.segments))
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


def _exit_ms(costs: CostTable, segment: int, rows: int) -> float:
    """Milliseconds of a segment and its head."""
    head_ms = costs.run_head_ms(segment, rows) if segment < costs.segments - 1 else 0.0
    return costs.run_ms(segment, rows) + head_ms
