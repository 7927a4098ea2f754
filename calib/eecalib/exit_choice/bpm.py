"""PAME's two matrices: how many samples of a batch move on, and how long the batch takes then.

Source: PAME, "Precision-Aware Multi-Exit DNN Serving for Reducing Latencies of Batched Inferences". The released code
draws the number that moves on; here it is what the recorded samples do, batch by batch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_choice.merged_costs import merged_costs
from eerun.costs import CostTable

__all__ = ["ExitTimes", "batching_pattern", "exit_times"]


def batching_pattern(moves_on: NDArray[np.bool_], *, batch: int) -> NDArray[np.float64]:
    """Return the share of batches in which so many samples move on, `[exits, batch + 1] float64`: PAME's BPM.

    Samples are taken in the order of the recording; those that do not fill the last batch are left out, unless there
    is no full batch.

    Args:
        moves_on: `[samples, exits]`, whether a sample moves on past an exit that is the only one.
        batch: samples in a batch.
    """
    size = min(batch, len(moves_on))
    batches = len(moves_on) // size
    counts = moves_on[: batches * size].reshape(batches, size, -1).sum(axis=1)
    pattern = np.zeros((moves_on.shape[1], batch + 1))
    for exit_ in range(moves_on.shape[1]):
        pattern[exit_] = np.bincount(counts[:, exit_], minlength=batch + 1) / batches
    return pattern


@dataclass(frozen=True, kw_only=True, eq=False)
class ExitTimes:
    """Milliseconds of a batch if an exit is the only one: PAME's ITM.

    Attributes:
        to_exit_ms: `[exits]`, of a full batch up to the exit.
        behind_ms: `[exits, batch + 1]`, of the rest by the number of samples that move on.
        whole_ms: of a full batch in the network without exit heads.
    """

    to_exit_ms: NDArray[np.float64]
    behind_ms: NDArray[np.float64]
    whole_ms: float

    @property
    def critical_ratio(self) -> NDArray[np.float64]:
        """For each exit the largest share of a batch that may move on, `[exits]`.

        With more the batch takes longer than the whole network. NaN: it does even if nobody moves on.
        """
        fits = self.to_exit_ms[:, None] + self.behind_ms <= self.whole_ms
        batch = self.behind_ms.shape[1] - 1
        largest = np.where(fits.any(axis=1), batch - np.argmax(fits[:, ::-1], axis=1), np.nan)
        return np.asarray(largest / batch, np.float64)


def exit_times(costs: CostTable, *, batch: int) -> ExitTimes:
    """Return the times of a network with each exit as its only one, estimated as `merged_costs` does."""
    alone = [merged_costs(costs, (exit_,)) for exit_ in range(costs.segments - 1)]
    return ExitTimes(
        to_exit_ms=np.array([each.run_ms(0, batch) for each in alone]),
        behind_ms=np.array([[each.run_ms(1, rows) for rows in range(batch + 1)] for each in alone]),
        whole_ms=costs.of_whole().run_ms(0, batch),
    )
