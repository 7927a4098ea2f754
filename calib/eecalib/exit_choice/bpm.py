"""PAME's two matrices: how many samples of a batch move on, and how long the batch takes then.

Source: PAME, "Precision-Aware Multi-Exit DNN Serving for Reducing Latencies of Batched Inferences". The released code
sorts batches into four groups by the number that moves on; here every number counts by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_choice.merged_costs import merged_costs
from eerun.costs import CostTable

__all__ = ["ExitTimes", "batching_pattern", "counts_by_batch", "exit_times"]


def counts_by_batch(moves_on: NDArray[np.bool_], *, batch: int) -> NDArray[np.int64]:
    """Return how many samples of each batch move on, `[batches, exits] int64`.

    Samples are taken in the order of the recording; those that do not fill the last batch are left out, unless there
    is no full batch.

    Args:
        moves_on: `[samples, exits]`.
        batch: samples in a batch.
    """
    size = min(batch, len(moves_on))
    batches = len(moves_on) // size
    return np.asarray(moves_on[: batches * size].reshape(batches, size, -1).sum(axis=1), np.int64)


def batching_pattern(moves_on: NDArray[np.bool_], *, batch: int) -> NDArray[np.float64]:
    """Return the share of batches in which so many samples move on, `[exits, batch + 1] float64`: PAME's BPM.

    Args:
        moves_on: `[samples, exits]`, whether a sample moves on past an exit, if that is the next one.
        batch: samples in a batch; see `counts_by_batch`.
    """
    counts = counts_by_batch(moves_on, batch=batch)
    pattern = np.zeros((counts.shape[1], batch + 1))
    for exit_ in range(counts.shape[1]):
        pattern[exit_] = np.bincount(counts[:, exit_], minlength=batch + 1) / len(counts)
    return pattern


@dataclass(frozen=True, kw_only=True, eq=False)
class ExitTimes:
    """Milliseconds from one exit on, or from the start, if some later exit is the only one there: PAME's ITM.

    Attributes:
        exits: `[candidates]`, indices of the later exits.
        to_exit_ms: `[candidates, batch + 1]`, up to the exit, by the number of samples that come.
        behind_ms: `[candidates, batch + 1]`, behind it, by the number of samples that move on.
        without_ms: `[batch + 1]`, to the end of the network without a later exit, by the number of samples that come.
    """

    exits: tuple[int, ...]
    to_exit_ms: NDArray[np.float64]
    behind_ms: NDArray[np.float64]
    without_ms: NDArray[np.float64]

    def average_ms(self, coming: NDArray[np.float64], moving: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the average latency of a query with each exit, over all queries of a batch, `[candidates]`.

        A query that leaves at the exit waits for the batch to come there, one that moves on until the end:

            (1 / batch) · (Σ_a coming[a] · a · to_exit[a] + Σ_b moving[b] · b · behind[b])

        With full batches that is PAME's `Σ_b BPM[b] · ((1 − b/n) · t_exit + (b/n) · ITM[b])`.

        Args:
            coming: `[batch + 1]`, share of the batches of which so many samples come.
            moving: `[candidates, batch + 1]`, share of those of which so many move on: a `batching_pattern`.
        """
        rows = np.arange(len(coming)) / (len(coming) - 1)
        return np.asarray(self.to_exit_ms @ (coming * rows) + ((self.behind_ms * moving) @ rows), np.float64)

    def average_without_ms(self, coming: NDArray[np.float64]) -> float:
        """Return the same without a later exit."""
        return float(self.without_ms @ (coming * np.arange(len(coming)))) / (len(coming) - 1)

    def critical_ratio(self, limit_ms: float) -> NDArray[np.float64]:
        """For each exit the largest share of a full batch that may move on, `[candidates]`.

        With more the batch takes longer than the limit. NaN: it does even if nobody moves on.

        Args:
            limit_ms: in the paper the time of the whole network.
        """
        fits = self.to_exit_ms[:, -1:] + self.behind_ms <= limit_ms
        batch = self.behind_ms.shape[1] - 1
        largest = np.where(fits.any(axis=1), batch - np.argmax(fits[:, ::-1], axis=1), np.nan)
        return np.asarray(largest / batch, np.float64)


def exit_times(costs: CostTable, *, batch: int, kept: Sequence[int] = ()) -> ExitTimes:
    """Return the times with each exit behind those that are kept, estimated as `merged_costs` does.

    Args:
        costs: of the chain with all exits.
        batch: samples in a batch.
        kept: indices of the exits that there are before, ascending.
    """
    later = tuple(range(kept[-1] + 1 if kept else 0, costs.segments - 1))
    tables = [merged_costs(costs, (*kept, exit_)) for exit_ in later]
    position, rows = len(kept), range(batch + 1)
    shape = (len(later), batch + 1)
    without = merged_costs(costs, kept)
    return ExitTimes(
        exits=later,
        to_exit_ms=np.array([[each.run_ms(position, count) for count in rows] for each in tables]).reshape(shape),
        behind_ms=np.array([[each.run_ms(position + 1, count) for count in rows] for each in tables]).reshape(shape),
        without_ms=np.array([without.run_ms(position, count) for count in rows]),
    )
