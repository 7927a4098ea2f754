"""Where groups would leave if somebody knew beforehand which exit answers each image."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eerun.costs import CostTable
from eerun.executor import Step
from eerun.folding import GroupExit, passes_needed

__all__ = ["answered_by", "best_groups", "groups_ms"]


def answered_by(parts: Sequence[Sequence[Step]]) -> NDArray[np.int32]:
    """Return which exit answers each image of a batch, ascending, from what the segments did: `[images] int32`."""
    steps = [step for part in parts for step in part]
    return np.sort(np.repeat([step.segment for step in steps], [step.answers for step in steps])).astype(np.int32)


def best_groups(exit_index: NDArray[np.int32], *, fold: int, rule: GroupExit) -> NDArray[np.int32]:
    """Group the images of a batch by the exit that answers them, early ones first; return where each group leaves.

    A group that is not full has the earliest of them: it costs as much as a full one, and so leaves as early as it can.
    With that, no other way to group them sends fewer groups past any exit.

    Args:
        exit_index: `[images] int32`.
        fold: images a group; one may be smaller.
        rule: when a group leaves.

    Returns:
        `[groups] int32`, ascending.
    """
    images = len(exit_index)
    ends = np.arange(images, 0, -fold)[::-1]
    sizes = np.diff(ends, prepend=0)
    return np.asarray(np.sort(exit_index)[ends - sizes + passes_needed(sizes, rule) - 1])


def groups_ms(costs: CostTable, left: NDArray[np.int32]) -> float:
    """Return Σ_k T_k(groups that reach k), each covered in the cheapest way.

    Args:
        costs: measured times, in rows.
        left: `[groups] int32`, where each group of a batch leaves; more than the largest bucket run in parts.
    """
    parts = [left[start : start + costs.max_batch] for start in range(0, len(left), costs.max_batch)]
    return sum(costs.run_ms(k, int((part >= k).sum())) for part in parts for k in range(costs.segments))
