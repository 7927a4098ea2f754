"""When a group leaves a folded network, and which exit answers each of its images.

The images of a group share every layer, so that the group goes on as long as one of them needs it. An image's answer
is fixed at the first exit that it passes. Those that have not passed where their group leaves are answered there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from eerun.folding.groups import rows_of

__all__ = ["GroupExit", "GroupsLeft", "leave_in_groups", "passes_needed"]


class GroupExit(StrEnum):
    """How many images of a group must have passed for the group to leave.

    all: every image, so that each is answered by an exit that is sure of it. majority: more than half. first: one.
    """

    ALL = "all"
    MAJORITY = "majority"
    FIRST = "first"


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupsLeft:
    """Where groups leave, and who answers.

    Attributes:
        answered: `[images] int32`, the exit that answers an image.
        left: `[rows] int32`, the exit at which a group leaves.
    """

    answered: NDArray[np.int32]
    left: NDArray[np.int32]


def passes_needed(images: NDArray[np.int64], rule: GroupExit) -> NDArray[np.int64]:
    """Return how many images must have passed, `[rows] int64`.

    Args:
        images: `[rows] int64`, how many images each group has; those that fill up a row do not count.
        rule: when a group leaves.
    """
    if rule is GroupExit.ALL:
        return images
    if rule is GroupExit.MAJORITY:
        return images // 2 + 1
    return np.ones_like(images)


def leave_in_groups(
    scores: NDArray[np.float32], thresholds: Sequence[float | None], *, fold: int, rule: GroupExit
) -> GroupsLeft:
    """Send images through the exits in groups of `fold`, in their order; the last group may be smaller.

    Args:
        scores: `[images, exits] float32`.
        thresholds: one for each exit but the last, rounded to float32 as at run time; None: nobody passes there.
        fold: images a group.
        rule: when a group leaves.
    """
    images, exits = scores.shape
    rows = rows_of(images, fold)
    group = np.arange(images) // fold
    needed = passes_needed(np.bincount(group, minlength=rows), rule)
    passed = np.zeros(images, np.bool_)
    answered = np.full(images, exits - 1, np.int32)
    left = np.full(rows, exits - 1, np.int32)
    for exit_ in range(exits - 1):
        threshold = thresholds[exit_]
        if threshold is None:
            continue
        inside = left[group] == exits - 1
        with np.errstate(over="ignore"):
            here = inside & ~passed & (scores[:, exit_] >= np.float32(threshold))
        passed |= here
        answered[here] = exit_
        going = (left == exits - 1) & (np.bincount(group, weights=passed, minlength=rows) >= needed)
        left[going] = exit_
        answered[going[group] & ~passed] = exit_
    return GroupsLeft(answered=answered, left=left)
