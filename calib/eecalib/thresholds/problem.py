"""The search problem that all tuners solve, reduced to counts of samples and of right units.

A unit is an answer: a sample has one, or one for each pixel that counts. Of a folded network samples are images, which
share a row of it in groups: answers are counted by image, costs by row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

from eecalib.expected_cost import ExpectedCost
from eecalib.replay import leave
from eerun.folding import GroupExit, GroupsLeft

__all__ = ["SAME_MS", "Found", "Outcome", "Problem", "Thresholds", "cuts", "required_correct", "threshold_at"]

Thresholds = tuple[float | None, ...]
"""One threshold for each exit but the last; None: nobody leaves there."""

SAME_MS = 1e-9
"""Expected costs that differ by less, relatively, are the same: they are sums that are exact to about this."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What thresholds give on the table: expected milliseconds of a batch, and how many units are right."""

    ms: float
    correct: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a tuner returns: thresholds, and how many threshold vectors it looked at."""

    thresholds: Thresholds
    candidates: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Minimise the expected cost, with at least `required` units right.

    Attributes:
        scores: `[samples, exits] float32`.
        correct: `[samples, exits] int64`, how many units of a sample an exit has right.
        cost: expected milliseconds of each segment by the number of rows that reach it: of samples, or of groups.
        required: how many units must be right.
        fold: images a group; 1: the network is not folded.
        rule: when a group leaves, where `fold` is above 1.
    """

    scores: NDArray[np.float32]
    correct: NDArray[np.int64]
    cost: ExpectedCost
    required: int
    fold: int = 1
    rule: GroupExit = GroupExit.ALL

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return int(self.scores.shape[0])

    @property
    def exits(self) -> int:
        """How many exits there are, the final one included."""
        return int(self.scores.shape[1])

    @property
    def groups(self) -> int:
        """How many rows of the network the samples fill: groups, or samples where it is not folded."""
        return self.samples // self.fold

    @property
    def never(self) -> Thresholds:
        """The thresholds with which nobody leaves early."""
        return (None,) * (self.exits - 1)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """For each exit the samples from the highest score to the lowest, `[exits, samples] int64`."""
        return np.argsort(-self.scores.T, axis=1, kind="stable")

    @cached_property
    def tail_ms(self) -> NDArray[np.float64]:
        """`[exits, samples + 1] float64`: cost of all segments after `k` if `j` samples run each, at `[k, j]`."""
        after = np.cumsum(self.cost.segment_ms[::-1], axis=0)[::-1] - self.cost.segment_ms
        after[-1] = 0.0
        return after

    def leave(self, thresholds: Sequence[float | None]) -> GroupsLeft:
        """Return which exit answers each sample, and where each row leaves."""
        return leave(self.scores, thresholds, fold=self.fold, rule=self.rule)

    def outcome(self, thresholds: Sequence[float | None]) -> Outcome:
        """Return the cost and the number of right units under some thresholds."""
        gone = self.leave(thresholds)
        left = np.bincount(gone.left, minlength=self.exits)
        reached = self.groups - np.concatenate([[0], np.cumsum(left)[:-1]])
        return Outcome(
            ms=self.cost.batch_ms(reached.astype(np.int64)),
            correct=int(self.correct[np.arange(self.samples), gone.answered].sum()),
        )


def required_correct(correct_final: int, max_drop: float) -> int:
    """Return how many units must be right: `⌈(1 − max_drop) · correct_final⌉`.

    The drop is taken as the decimal number that it prints as, so that 1 % of 300 is 3 and not a rounding error more.
    """
    return ceil((1 - Fraction(str(float(max_drop)))) * correct_final)


def cuts(ordered_scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return how many samples leave at each possible threshold: 0, then one entry for each distinct score.

    Args:
        ordered_scores: `[rows] float32`, from the highest to the lowest.

    Returns:
        `[1 + distinct] int64`, rising. The threshold of cut `c` is `ordered_scores[c - 1]`.
    """
    ends = np.flatnonzero(ordered_scores[1:] != ordered_scores[:-1]) + 1
    return np.concatenate([[0], ends, [len(ordered_scores)]]).astype(np.int64)


def threshold_at(ordered_scores: NDArray[np.float32], cut: int) -> float | None:
    """Return the threshold at which exactly the first `cut` of the ordered samples leave; None for none of them."""
    return None if cut == 0 else float(ordered_scores[cut - 1])
