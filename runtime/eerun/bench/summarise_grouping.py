"""From raw measurements to what it brings to put likely-easy images together."""

from collections.abc import Sequence

import numpy as np

from eerun.bench.folding import GroupedSummary, GroupingSummary
from eerun.bench.measure import CHAIN, REGROUPED, Measured, Parts
from eerun.bench.shares import share_alike
from eerun.bench.statistics import paired_ratio
from eerun.bench.summarise import summarise_contestant
from eerun.data import Labels
from eerun.folding import Grouping

__all__ = ["groups_left", "summarise_grouping"]


def groups_left(steps: Sequence[Parts], exits: int) -> tuple[float, ...]:
    """Return which share of the groups of all batches left at each exit."""
    left = np.zeros(exits, np.int64)
    for step in (step for parts in steps for part in parts for step in part):
        left[step.segment] += step.left
    return tuple((left / left.sum()).tolist())


def summarise_grouping(
    grouping: Grouping, measured: Measured, labels: Labels | None, *, exits: int, batch: int, seed: int
) -> GroupingSummary | None:
    """Compare the chain with the same chain in the other grouping; None: that was not in the run.

    Args:
        grouping: of the chain.
        measured: raw results.
        labels: `[samples]` or None.
        exits: number of exits.
        batch: images a batch.
        seed: seed of the bootstrap.
    """
    if REGROUPED not in measured.times_ns:
        return None
    names = (CHAIN, REGROUPED) if grouping is Grouping.ARRIVAL else (REGROUPED, CHAIN)
    steps = {CHAIN: measured.steps, REGROUPED: measured.regrouped_steps}
    arrival, easy = (
        GroupedSummary(
            speed=summarise_contestant(measured.times_ns[name], batch),
            accuracy=None if labels is None else share_alike(measured.labels[name], labels),
            left=groups_left(steps[name], exits),
        )
        for name in names
    )
    over, under = (measured.times_ns[name].astype(np.float64) for name in names)
    return GroupingSummary(
        arrival=arrival,
        easy=easy,
        easy_by_arrival=paired_ratio(over, under, batch=batch, seed=seed),
        agreement=share_alike(measured.labels[CHAIN], measured.labels[REGROUPED]),
    )
