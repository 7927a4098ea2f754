"""Where groups would leave if somebody knew beforehand which exit answers each image."""

import numpy as np
from numpy.typing import NDArray

from eerun.costs import CostTable
from eerun.folding import GroupExit, passes_needed, rows_of

__all__ = ["best_groups", "groups_ms"]


def best_groups(exit_index: NDArray[np.int32], *, fold: int, rule: GroupExit) -> NDArray[np.int32]:
    """Group the images of a batch by the exit that answers them, early ones first; return where each group leaves.

    Args:
        exit_index: `[images] int32`.
        fold: images a group; the last may be smaller.
        rule: when a group leaves.

    Returns:
        `[groups] int32`, ascending.
    """
    images = len(exit_index)
    starts = np.arange(rows_of(images, fold)) * fold
    needed = passes_needed(np.minimum(fold, images - starts), rule)
    return np.asarray(np.sort(exit_index)[starts + needed - 1])


def groups_ms(costs: CostTable, left: NDArray[np.int32]) -> float:
    """Return Σ_k T_k(groups that reach k), each covered in the cheapest way.

    Args:
        costs: measured times, in rows.
        left: `[groups] int32`, where each group of a batch leaves; more than the largest bucket run in parts.
    """
    parts = [left[start : start + costs.max_batch] for start in range(0, len(left), costs.max_batch)]
    return sum(costs.run_ms(k, int((part >= k).sum())) for part in parts for k in range(costs.segments))
