"""How long batches take whose samples are drawn from a recording: the spread, not only the mean."""

import numpy as np
from numpy.typing import NDArray

from eerun.costs import CostTable

__all__ = ["batch_times"]


def batch_times(
    left_at: NDArray[np.int32], tested: NDArray[np.bool_], costs: CostTable, *, batch: int, batches: int, seed: int
) -> NDArray[np.float64]:
    """Return milliseconds of batches that are drawn at random, `[batches] float64`.

    A batch takes the sum over segments of the measured time of as many rows as reach it, and of its heads where these
    are graphs of their own. Moves of survivors and the executor's own time are not counted.

    Args:
        left_at: `[rows]`, where each row leaves: each sample, or of a folded network each group.
        tested: `[rows, exits]`, whether a head is run for a row that reaches it.
        costs: measured times.
        batch: rows in a batch, at most `costs.max_batch`.
        batches: how many are drawn.
        seed: of the draw.
    """
    drawn = np.random.default_rng(seed).integers(0, len(left_at), (batches, batch))
    left, run = left_at[drawn], tested[drawn]
    times = np.zeros(batches)
    for segment in range(costs.segments):
        reached = left >= segment
        segment_ms = np.array([costs.run_ms(segment, rows) for rows in range(batch + 1)])
        times += segment_ms[reached.sum(axis=1)]
        if costs.head_ms and segment < costs.segments - 1:
            head_ms = np.array([costs.run_head_ms(segment, rows) for rows in range(batch + 1)])
            times += head_ms[(reached & run[:, :, segment]).sum(axis=1)]
    return times
