"""What a chain would cost without some of its exits."""

from collections.abc import Sequence
from dataclasses import replace

from eerun.costs import CostTable

__all__ = ["merged_costs"]


def merged_costs(costs: CostTable, kept: Sequence[int]) -> CostTable:
    """Return the estimated costs of a chain with some of the early exits.

    A segment that loses the exit at its end runs on into the next: its cost is the sum of both, less what one exit
    costs on average, that is the sum of all segments less the whole network, divided by the number of early exits. It
    is an estimate: what is chosen by it is measured afterwards.

    Args:
        costs: of the chain with all exits, heads in their segments.
        kept: indices of the early exits that stay, ascending.
    """
    last = costs.segments - 1
    sums = [sum(row[bucket] for row in costs.segment_ms) for bucket in range(len(costs.buckets))]
    of_exit = [max(0.0, total - whole) / max(1, last) for total, whole in zip(sums, costs.whole_ms, strict=True)]
    rows, start = [], 0
    for end in (*kept, last):
        parts = costs.segment_ms[start : end + 1]
        rows.append(
            tuple(
                max(0.0, sum(part[bucket] for part in parts) - (len(parts) - 1) * of_exit[bucket])
                for bucket in range(len(costs.buckets))
            )
        )
        start = end + 1
    return replace(costs, segment_ms=tuple(rows), move_ms=tuple(costs.move_ms[index] for index in kept), head_ms=())
