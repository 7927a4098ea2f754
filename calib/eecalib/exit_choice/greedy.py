"""Which exits to keep, as PAME picks them: one after the other, each the best for the samples that are left.

Source: PAME, "Precision-Aware Multi-Exit DNN Serving for Reducing Latencies of Batched Inferences". The next exit is
the one with the least average latency of a query, from the Batching Pattern Matrix and the Inference Time Matrix; then
the same is asked for the samples that move on, with what remains of the budget.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_choice.bpm import ExitTimes, batching_pattern, counts_by_batch, exit_times
from eecalib.exit_choice.exit_set import TAIL_SHARE, ExitSet, keeps_tail, search_set
from eecalib.thresholds.pame import pame_thresholds
from eecalib.thresholds.problem import Problem
from eecalib.trace import Played, play
from eecalib.tuning.data import TuningData
from eerun.policies import ExitPolicy

__all__ = ["greedy_picks", "greedy_sets"]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Stage:
    """What is left behind the exits that were picked.

    Attributes:
        kept: the exits, ascending.
        moving: `[samples]`, who has left at none of them.
        required: how many of those must be right.
        spent_ms: `[batches]`, how long each batch took so far.
    """

    kept: tuple[int, ...]
    moving: NDArray[np.bool_]
    required: int
    spent_ms: NDArray[np.float64]


def greedy_sets(
    policy: ExitPolicy,
    data: TuningData,
    max_drop: float,
    *,
    most: int,
    max_tail_ms: float | None,
    progress: Callable[[float], None],
) -> tuple[ExitSet, ...]:
    """Return the first pick alone, the first two, and so on, and no exit; the cheapest first, as `cheapest_sets` does.

    Thresholds are searched for each of these sets; exits that are idle then are left out.

    Args:
        policy: a fitted policy whose score at an exit needs no other exit.
        data: the recording with all exits, and its costs.
        max_drop: relative drop to search for.
        most: how many sets to return.
        max_tail_ms: at most one batch of a hundred may take longer; None: no limit.
        progress: called with the share that is done.
    """
    picks = greedy_picks(policy, data, max_drop, max_tail_ms=max_tail_ms)
    found: dict[tuple[int, ...], ExitSet] = {}
    for count in range(len(picks) + 1):
        each = search_set(policy, data, picks[:count], max_drop)
        while None in each.candidate.thresholds:
            pairs = zip(each.kept, each.candidate.thresholds, strict=True)
            each = search_set(policy, data, tuple(exit_ for exit_, value in pairs if value is not None), max_drop)
        if keeps_tail(each, data, max_tail_ms):
            found[each.kept] = each
        progress((count + 1) / (len(picks) + 1))
    return tuple(sorted(found.values(), key=lambda each: (each.expected_ms, len(each.kept)))[:most])


def greedy_picks(
    policy: ExitPolicy, data: TuningData, max_drop: float, *, max_tail_ms: float | None
) -> tuple[int, ...]:
    """Return the exits that PAME's rule picks, ascending; it stops where no later exit lowers the average latency.

    Args:
        policy: a fitted policy whose score at an exit needs no other exit.
        data: the recording with all exits, and its costs.
        max_drop: relative drop of the first budget.
        max_tail_ms: leave out an exit with which more than one batch of a hundred takes longer; None: no limit.
    """
    played = play(policy, data.trace)
    everybody = np.ones(data.samples, np.bool_)
    batches = len(counts_by_batch(everybody[:, None], batch=data.batch))
    stage: _Stage | None = _Stage(
        kept=(), moving=everybody, required=data.required(max_drop), spent_ms=np.zeros(batches)
    )
    kept: tuple[int, ...] = ()
    while stage is not None:
        kept, stage = stage.kept, _next(stage, played, data, max_tail_ms)
    return kept


def _next(stage: _Stage, played: Played, data: TuningData, max_tail_ms: float | None) -> _Stage | None:
    """Pick one more exit; None: none is worth it."""
    times = exit_times(data.costs, batch=data.batch, kept=stage.kept)
    if not times.exits or not stage.moving.any():
        return None
    moves_on = np.stack([_moves_on(stage, played, data, exit_) for exit_ in times.exits], axis=1)
    coming = batching_pattern(stage.moving[:, None], batch=data.batch)[0]
    average = times.average_ms(coming, batching_pattern(moves_on, batch=data.batch))
    come = counts_by_batch(stage.moving[:, None], batch=data.batch)[:, 0]
    spent = stage.spent_ms[:, None] + times.to_exit_ms[:, come].T
    if max_tail_ms is not None:
        average[_too_slow(times, spent, moves_on, data.batch, max_tail_ms)] = np.inf
    best = int(np.argmin(average))
    if average[best] >= times.average_without_ms(coming):
        return None
    leaving = stage.moving & ~moves_on[:, best]
    right = int(played.table.against(agreement=False)[leaving, times.exits[best]].sum())
    return _Stage(
        kept=(*stage.kept, times.exits[best]),
        moving=moves_on[:, best],
        required=stage.required - right,
        spent_ms=spent[:, best],
    )


def _moves_on(stage: _Stage, played: Played, data: TuningData, exit_: int) -> NDArray[np.bool_]:
    """Who would move on past an exit: PAME's smallest move-on ratio within what remains of the budget."""
    rows = np.flatnonzero(stage.moving)
    columns = np.array([exit_, played.table.exits - 1])
    problem = Problem(
        scores=played.table.scores[rows[:, None], columns],
        correct=played.table.against(agreement=False)[rows[:, None], columns],
        cost=data.cost,
        required=stage.required,
    )
    (threshold,) = pame_thresholds(problem).thresholds
    moves_on = stage.moving.copy()
    if threshold is not None:
        moves_on[rows] = problem.scores[:, 0] < np.float32(threshold)
    return moves_on


def _too_slow(
    times: ExitTimes, spent: NDArray[np.float64], moves_on: NDArray[np.bool_], batch: int, max_tail_ms: float
) -> NDArray[np.bool_]:
    """The tail guard: with which exits more than one batch of a hundred takes too long, `[candidates]`."""
    counts = counts_by_batch(moves_on, batch=batch)
    behind = np.take_along_axis(times.behind_ms, counts.T, axis=1).T
    return np.asarray((spent + behind > max_tail_ms).mean(axis=0) > TAIL_SHARE)
