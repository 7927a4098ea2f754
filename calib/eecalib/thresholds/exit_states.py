"""What each image that passes an exit changes for its group, with the thresholds of all other exits fixed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.thresholds.problem import Problem, Thresholds
from eerun.folding import passes_needed

__all__ = ["ExitStates", "states_at"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ExitStates:
    """Every way to set one threshold, as a list of changes.

    Attributes:
        images: `[n] int64`, images that reach the exit unanswered, from the highest score to the lowest.
        correct: units that are right if nobody passes.
        reached: `[exits] int64`, groups that reach each segment then.
        gain: `[n] int64`, units that are right in addition when that image passes, after all before it. A sum up to the
            end of equal scores is that of a threshold.
        fewer: `[n, exits] int64`, groups that no longer reach each segment then.
    """

    images: NDArray[np.int64]
    correct: int
    reached: NDArray[np.int64]
    gain: NDArray[np.int64]
    fewer: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Groups:
    """Images `[groups, fold]` where they come to an exit, by the thresholds of the others.

    Attributes:
        passes_at: `[groups, fold]`, the first exit that an image would pass; the last exit where there is none.
        rank: `[groups, fold]`, of images that wait at the exit: how many of the same group wait there and come before
            it, from the highest score to the lowest.
        waiting: `[groups, fold] bool`, images that reach the exit unanswered.
    """

    passes_at: NDArray[np.int64]
    rank: NDArray[np.int64]
    waiting: NDArray[np.bool_]


def states_at(problem: Problem, thresholds: Thresholds, exit_: int) -> ExitStates:
    """Return what each image that passes at `exit_` changes.

    Args:
        problem: the problem; its groups have `fold` images.
        thresholds: of all exits; that of `exit_` is not read.
        exit_: an early exit.
    """
    groups = _groups(problem, thresholds, exit_)
    right, left = _outcomes(problem, groups, exit_)
    order = problem.order[exit_]
    images = order[groups.waiting.reshape(-1)[order]]
    group, rank = images // problem.fold, groups.rank.reshape(-1)[images]
    segments = np.arange(problem.exits)
    before, after = left[rank, group][:, None] >= segments, left[rank + 1, group][:, None] >= segments
    return ExitStates(
        images=images,
        correct=int(right[0].sum()),
        reached=(left[0][:, None] >= segments).sum(axis=0),
        gain=right[rank + 1, group] - right[rank, group],
        fewer=before.astype(np.int64) - after,
    )


def _groups(problem: Problem, thresholds: Thresholds, exit_: int) -> _Groups:
    """Which images wait at an exit, and where they go if they do not pass it."""
    last, shape = problem.exits - 1, (problem.groups, problem.fold)
    without = (*thresholds[:exit_], None, *thresholds[exit_ + 1 :])
    passes_at = np.full(problem.samples, last, np.int64)
    for other in reversed(range(last)):
        threshold = without[other]
        if threshold is not None:
            with np.errstate(over="ignore"):
                passes_at[problem.scores[:, other] >= np.float32(threshold)] = other
    passes_at = passes_at.reshape(shape)
    needed = int(passes_needed(np.array([problem.fold]), problem.rule)[0])
    inside = (passes_at < exit_).sum(axis=1) < needed
    waiting = inside[:, None] & (passes_at >= exit_)
    place = np.empty(problem.samples, np.int64)
    place[problem.order[exit_]] = np.arange(problem.samples)
    places = np.where(waiting, place.reshape(shape), problem.samples)
    rank = np.argsort(np.argsort(places, axis=1, kind="stable"), axis=1, kind="stable")
    return _Groups(passes_at, rank, waiting)


def _outcomes(problem: Problem, groups: _Groups, exit_: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return right units and the exit where each group leaves, both `[fold + 1, groups]`, by how many pass here.

    Where fewer wait, the entries behind are those of all that wait.
    """
    shape = (problem.groups, problem.fold)
    needed = int(passes_needed(np.array([problem.fold]), problem.rule)[0])
    correct = problem.correct.reshape(*shape, problem.exits)
    right = np.empty((problem.fold + 1, problem.groups), np.int64)
    left = np.empty((problem.fold + 1, problem.groups), np.int64)
    for passing in range(problem.fold + 1):
        here = groups.waiting & (groups.rank < passing)
        passes_at = np.where(here, exit_, groups.passes_at)
        leaves = np.partition(passes_at, needed - 1, axis=1)[:, needed - 1]
        answered = np.minimum(passes_at, leaves[:, None])
        right[passing] = np.take_along_axis(correct, answered[:, :, None], axis=2)[:, :, 0].sum(axis=1)
        left[passing] = leaves
    return right, left
