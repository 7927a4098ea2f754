"""The calibrated forecast of Predictive Exit: at which exit to test next, by how near a sample was to leaving.

At each exit the samples that stay are dealt by rho into bins of equal numbers. From the last exit to the first, each
bin gets the next exit with the least expected cost until its samples leave: segments on the way, the head there, and
what follows by the tables already made (backward induction on the recorded samples). It does not depend on the order of
the classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.tuning.predictive_exit.row_prices import RowPrices

__all__ = ["ForecastTable", "every_usable", "fit_table"]

BINS, LEAST_IN_BIN = 8, 40
"""Most bins of an exit, and least samples in one."""


@dataclass(frozen=True, kw_only=True)
class ForecastTable:
    """What was fitted, as `PredictiveExitPolicy` holds it.

    Attributes:
        start: the exit at which every sample is tested first.
        edges: `[early exits][bins - 1]`.
        next_exits: `[early exits][bins]`.
    """

    start: int
    edges: tuple[tuple[float, ...], ...]
    next_exits: tuple[tuple[int, ...], ...]

    def look_up(self, rho: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return where each sample is tested next, `[samples, early exits] int64`."""
        found = np.empty(rho.shape, np.int64)
        for exit_, (edges, after) in enumerate(zip(self.edges, self.next_exits, strict=True)):
            bins = (rho[:, exit_, None] >= np.array(edges, np.float32)).sum(axis=1)
            found[:, exit_] = np.array(after, np.int64)[bins]
        return found


def every_usable(usable: NDArray[np.bool_]) -> ForecastTable:
    """Return the table by which a sample that stays is tested at the next usable exit.

    Args:
        usable: `[early exits] bool`; other exits are never tested.
    """
    exits = [*np.flatnonzero(usable).tolist(), len(usable)]
    after = [next(each for each in exits if each > exit_) for exit_ in range(len(usable))]
    return ForecastTable(start=exits[0], edges=((1.0,),) * len(usable), next_exits=tuple((e, e) for e in after))


def fit_table(rho: NDArray[np.float32], usable: NDArray[np.bool_], prices: RowPrices) -> ForecastTable:
    """Return the table of least expected cost.

    Args:
        rho: `[samples, early exits] float32`; a sample leaves where it is tested and it is at least 1.
        usable: `[early exits] bool`; other exits are never tested.
        prices: of segments and heads.
    """
    samples, early = rho.shape
    until = np.cumsum(prices.segments)
    left = np.zeros((samples, early + 1))  # cost from a test at an exit on
    stays_before = np.concatenate([np.ones((samples, 1), np.bool_), np.logical_and.accumulate(rho < 1, axis=1)], axis=1)
    rows: list[tuple[tuple[float, ...], tuple[int, ...]]] = []
    for exit_ in reversed(range(early)):
        options = [*(each for each in range(exit_ + 1, early) if usable[each]), early]
        onwards = np.stack([until[each] - until[exit_] + left[:, each] for each in options], axis=1)
        edges = _edges(rho[stays_before[:, exit_ + 1], exit_])
        bins = (rho[:, exit_, None] >= np.array(edges, np.float32)).sum(axis=1)
        chosen = [_cheapest(onwards[stays_before[:, exit_ + 1] & (bins == each)]) for each in range(len(edges))]
        choice = np.array([*chosen, 0])[bins]
        left[:, exit_] = prices.heads[exit_] + np.where(rho[:, exit_] < 1, onwards[np.arange(samples), choice], 0)
        rows.insert(0, (edges, (*(options[each] for each in chosen), options[0])))
    starts = [*np.flatnonzero(usable).tolist(), early]
    start = min(starts, key=lambda each: until[each] + left[:, each].mean())
    return ForecastTable(start=start, edges=tuple(row[0] for row in rows), next_exits=tuple(row[1] for row in rows))


def _edges(staying: NDArray[np.float32]) -> tuple[float, ...]:
    """Return rising edges between bins of equal numbers, and 1 behind the last, where samples leave."""
    bins = max(1, min(BINS, len(staying) // LEAST_IN_BIN))
    inner = np.quantile(staying, np.arange(1, bins) / bins).astype(np.float32) if bins > 1 else np.zeros(0, np.float32)
    return tuple(sorted({*inner.tolist(), 1.0}))


def _cheapest(onwards: NDArray[np.float64]) -> int:
    """Return the column of the least mean cost, the first of those that are the same up to rounding; 0 without rows."""
    if not len(onwards):
        return 0
    means = onwards.mean(axis=0)
    return int(np.flatnonzero(means <= means.min() * (1 + 1e-9))[0])
