"""Which of a network's exits pay: a search over subsets with recorded answers and measured costs.

Each subset is tuned as a build tunes, and compared by the expected milliseconds of a batch. A segment that loses the
exit at its end runs on into the next: its cost is the sum of both, less what one exit costs on average. That is the sum
of all segments less the whole network, divided by the number of early exits. It is an estimate: the chosen exits are
built and measured afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Protocol

from eecalib.exit_table import ExitTable
from eecalib.thresholds import tune_thresholds
from eerun.costs import CostTable

__all__ = ["Selection", "costs_of", "select_exits", "table_of"]

MOST_SUBSETS = 128


class Told(Protocol):
    """Takes the share of the search that is done."""

    def __call__(self, share: float, /) -> None:
        """Show it."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the search found.

    Attributes:
        kept: indices of the early exits to keep, ascending; none: no early exit pays.
        expected_ms: expected milliseconds of a batch with them.
        expected_ms_all: the same with all exits.
        subsets: how many subsets were tuned.
    """

    kept: tuple[int, ...]
    expected_ms: float
    expected_ms_all: float
    subsets: int


def select_exits(table: ExitTable, costs: CostTable, *, max_drop: float, progress: Told) -> Selection:
    """Return the subset of early exits with the least expected cost: of all subsets where they are few, else greedily.

    Greedily: exit after exit is added, each time the one that saves most, as long as one saves anything.

    Args:
        table: what all exits say about *tune*.
        costs: measured, of the chain with all exits.
        max_drop: allowed relative drop of accuracy against the final exit.
        progress: takes the share that is done.
    """
    early = range(table.exits - 1)
    looked = 0

    def expected_ms(kept: Sequence[int]) -> float:
        nonlocal looked
        looked += 1
        merged = costs_of(costs, kept)
        if not kept:
            return merged.run_ms(0, merged.max_batch)
        few = table_of(table, kept)
        return tune_thresholds(few, merged, batch=merged.max_batch, max_drop=max_drop, agreement=False).expected_ms

    everything = expected_ms(tuple(early))
    if 1 << len(early) <= MOST_SUBSETS:
        found = {tuple(early): everything}
        for count in range(len(early)):
            for kept in combinations(early, count):
                found[kept] = expected_ms(kept)
                progress(len(found) / (1 << len(early)))
        best = min(found, key=lambda kept: (found[kept], len(kept)))
        return Selection(kept=best, expected_ms=found[best], expected_ms_all=everything, subsets=looked)
    kept, least = (), expected_ms(())
    while len(kept) < len(early):
        larger = {tuple(sorted((*kept, index))): 0.0 for index in early if index not in kept}
        larger = {more: expected_ms(more) for more in larger}
        best = min(larger, key=lambda more: larger[more])
        progress(len(best) / len(early))
        if larger[best] >= least:
            break
        kept, least = best, larger[best]
    return Selection(kept=kept, expected_ms=least, expected_ms_all=everything, subsets=looked)


def table_of(table: ExitTable, kept: Sequence[int]) -> ExitTable:
    """The table with some early exits, and the final one."""
    columns = [*kept, table.exits - 1]
    return replace(table, scores=table.scores[:, columns], answers=table.answers[:, columns])


def costs_of(costs: CostTable, kept: Sequence[int]) -> CostTable:
    """The estimated costs of a chain with some of the early exits.

    Args:
        costs: of the chain with all exits.
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
    return replace(costs, segment_ms=tuple(rows), move_ms=tuple(costs.move_ms[index] for index in kept))
