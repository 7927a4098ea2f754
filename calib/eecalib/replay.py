"""Where the samples of an exit table leave under given thresholds, and how good their answers are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_table import ExitTable
from eengines.errors import UserError
from eerun.folding import GroupExit, GroupsLeft, leave_in_groups

__all__ = ["Replay", "leave", "leave_at", "replay"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Replay:
    """What a set of thresholds does to the samples of one table.

    Shares are fractions of the samples, but for `left` and `reached`, which are of rows: of a folded network a row is a
    group of images, elsewhere a sample.

    Accuracy and agreement are fractions of units: of the samples or, with one answer a pixel, of the pixels that count.

    Attributes:
        exit_index: `[samples] int32`, the exit that answers each sample: where it leaves, unless its group goes on.
        left_at: `[rows] int32`, the exit at which each row leaves.
        shares: the fraction that each exit answers; they sum to 1.
        left: the fraction of the rows that leave at each exit; they sum to 1.
        reached: the fraction of the rows that reach each segment; 1 for the first.
        accuracy: fraction answered as labelled; None without labels.
        accuracy_final: the same if every sample ran to the end; None without labels.
        agreement: fraction answered as the final exit would.
        exit_accuracy: for each exit, the accuracy on those that it answers; None without labels or such samples.
        exit_agreement: for each exit, the agreement on those that it answers; None without such samples.
    """

    exit_index: NDArray[np.int32]
    left_at: NDArray[np.int32]
    shares: tuple[float, ...]
    left: tuple[float, ...]
    reached: tuple[float, ...]
    accuracy: float | None
    accuracy_final: float | None
    agreement: float
    exit_accuracy: tuple[float | None, ...]
    exit_agreement: tuple[float | None, ...]


def leave_at(scores: NDArray[np.float32], thresholds: Sequence[float | None]) -> NDArray[np.int32]:
    """Return the exit at which each sample leaves, `[samples] int32`.

    A sample leaves at the first exit whose score reaches the threshold, else at the last.

    Args:
        scores: `[samples, exits] float32`.
        thresholds: one for each exit but the last, rounded to float32 as at run time; None: nobody leaves there.
    """
    last = scores.shape[1] - 1
    index = np.full(scores.shape[0], last, np.int32)
    for exit_ in reversed(range(last)):
        threshold = thresholds[exit_]
        if threshold is not None:
            with np.errstate(over="ignore"):
                index[scores[:, exit_] >= np.float32(threshold)] = exit_
    return index


def leave(scores: NDArray[np.float32], thresholds: Sequence[float | None], *, fold: int, rule: GroupExit) -> GroupsLeft:
    """Return which exit answers each sample, and where each row leaves; see `leave_in_groups`.

    Args:
        scores: `[samples, exits] float32`.
        thresholds: as for `leave_at`.
        fold: images a group; 1: every sample is a row.
        rule: when a group leaves.
    """
    if fold > 1:
        return leave_in_groups(scores, thresholds, fold=fold, rule=rule)
    index = leave_at(scores, thresholds)
    return GroupsLeft(answered=index, left=index)


def replay(table: ExitTable, thresholds: Sequence[float | None]) -> Replay:
    """Send the samples of a table through its exits.

    Args:
        table: the scores and answers of every exit.
        thresholds: one for each exit but the last; None: nobody leaves there.

    Raises:
        UserError: there are too few or too many thresholds, or one is NaN.
    """
    _check_thresholds(table, thresholds)
    gone = leave(table.scores, thresholds, fold=table.fold, rule=table.rule)
    index, groups = gone.answered, table.groups
    answered, left = (np.bincount(where, minlength=table.exits) for where in (index, gone.left))
    before = np.concatenate([[0], np.cumsum(left)[:-1]])
    rows = np.arange(table.samples)
    agrees = _Hits(table.agreeing[rows, index], table.all_units)
    right = None if table.labels is None else _Hits(table.correct[rows, index], table.units)
    return Replay(
        exit_index=index,
        left_at=gone.left,
        shares=tuple(int(count) / table.samples for count in answered),
        left=tuple(int(count) / groups for count in left),
        reached=tuple((groups - int(count)) / groups for count in before),
        accuracy=None if right is None else right.share(),
        accuracy_final=None if right is None else _Hits(table.correct[:, -1], table.units).share(),
        agreement=agrees.share(),
        exit_accuracy=(None,) * table.exits if right is None else _by_exit(index, right, table.exits),
        exit_agreement=_by_exit(index, agrees, table.exits),
    )


class _Hits(NamedTuple):
    """Good units of each sample, and how many it has, both `[samples] int64`."""

    good: NDArray[np.int64]
    units: NDArray[np.int64]

    def share(self) -> float:
        """Fraction of all units that is good."""
        return int(self.good.sum()) / int(self.units.sum())


def _by_exit(index: NDArray[np.int32], hits: _Hits, exits: int) -> tuple[float | None, ...]:
    """Return the fraction of good units among those that each exit answers; None where there are none."""
    here = [index == exit_ for exit_ in range(exits)]
    pairs = [(int(hits.good[rows].sum()), int(hits.units[rows].sum())) for rows in here]
    return tuple(good / units if units else None for good, units in pairs)


def _check_thresholds(table: ExitTable, thresholds: Sequence[float | None]) -> None:
    """Refuse a wrong number of thresholds, and NaN."""
    if len(thresholds) != table.exits - 1:
        raise UserError(
            "thresholds",
            f"got {len(thresholds)}, expected {table.exits - 1} for {table.exits} exits",
            "Give one for each exit but the last, None where nobody may leave",
        )
    for exit_, threshold in enumerate(thresholds):
        if threshold is not None and np.isnan(threshold):
            raise UserError(
                f"thresholds: exit {exit_}", "got NaN, expected a number or None", "Use None where nobody may leave"
            )
