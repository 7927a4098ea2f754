"""A beam search over thresholds, exit by exit, that keeps many trade-offs between cost and quality alive.

PAME's rule spends the whole budget at the first exit that can use it. Here a state is one choice of thresholds for
the exits so far. At each exit a state branches into every distinct score of the samples that are left, and "never".
Each child is a complete answer too (nobody leaves any more), so it is a candidate at once. For the next exit the
children are thinned to a bounded number: per interval of cost, the one with the most right answers. This is a Pareto
front of (cost, right answers) with spread. Two states of one interval have different samples left, so what is pruned
is pruned on an estimate; two other rules are exact: a child is dropped if its cost so far exceeds the best
complete answer, or if too few samples would be right even if each of the rest met its best later exit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.thresholds.coordinate_descent import descend
from eecalib.thresholds.idle_exits import without_idle_exits
from eecalib.thresholds.pame import pame_thresholds
from eecalib.thresholds.problem import Found, Problem, Thresholds, cuts, threshold_at

__all__ = ["beam_thresholds"]

_WIDTH = 128  # states kept after each exit


@dataclass(frozen=True, kw_only=True, eq=False)
class _State:
    """Thresholds for the exits so far: who is left, the cost up to the next exit, and the leavers' right units."""

    thresholds: Thresholds
    alive: NDArray[np.bool_]
    spent_ms: float
    correct: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Children:
    """Branches of states, one row each.

    Attributes:
        parent: `int64`, the state that branches.
        cut: `int64`, how many of its samples leave.
        spent_ms: `float64`, cost up to the next exit: a lower bound of every answer below.
        full_ms: `float64`, cost if nobody leaves any more.
        correct: `int64`, units that the leavers have right.
        blended: `int64`, units that are right if nobody leaves any more.
        hoped: `int64`, units that are right if the rest meet their best later exit: an upper bound.
    """

    parent: NDArray[np.int64]
    cut: NDArray[np.int64]
    spent_ms: NDArray[np.float64]
    full_ms: NDArray[np.float64]
    correct: NDArray[np.int64]
    blended: NDArray[np.int64]
    hoped: NDArray[np.int64]


def beam_thresholds(problem: Problem) -> Found:
    """Search thresholds with a beam, starting from PAME's answer, and improve the best one exit at a time.

    The result never costs more than PAME's.
    """
    greedy = pame_thresholds(problem)
    best = without_idle_exits(problem, greedy.thresholds)
    best_ms = problem.outcome(best).ms
    candidates = greedy.candidates
    first_ms = float(problem.cost.segment_ms[0, -1])
    states = [_State(thresholds=(), alive=np.ones(problem.samples, np.bool_), spent_ms=first_ms, correct=0)]
    for exit_ in range(problem.exits - 1):
        children = _branch(problem, states, exit_)
        candidates += len(children.cut)
        ms = np.where(children.blended >= problem.required, children.full_ms, np.inf)
        top = int(np.argmin(ms))
        if ms[top] < best_ms:
            best_ms = float(ms[top])
            best = (*_follow(problem, states, children, top).thresholds, *problem.never[exit_ + 1 :])
        hopeful = np.flatnonzero((children.spent_ms < best_ms) & (children.hoped >= problem.required))
        states = [_follow(problem, states, children, int(row)) for row in _thin(children, hopeful, problem.required)]
        if not states:
            break
    improved = descend(problem, best)
    return Found(thresholds=improved.thresholds, candidates=candidates + improved.candidates)


def _branch(problem: Problem, states: Sequence[_State], exit_: int) -> _Children:
    """Return the children of all states at one exit."""
    later: NDArray[np.int64] = np.asarray(problem.correct[:, exit_ + 1 :].max(axis=1))
    branches = [_branch_one(problem, state, parent, exit_, later) for parent, state in enumerate(states)]
    return _Children(
        **{name: np.concatenate([getattr(b, name) for b in branches]) for name in _Children.__annotations__}
    )


def _branch_one(problem: Problem, state: _State, parent: int, exit_: int, later: NDArray[np.int64]) -> _Children:
    """Return the children of one state: one for each distinct score of the samples left, and "never"."""
    rows = _ordered(problem, state, exit_)
    cut = cuts(problem.scores[rows, exit_])
    staying = len(rows) - cut
    correct = state.correct + _leading(problem.correct[rows, exit_], cut)
    final = problem.correct[rows, -1]
    spent_ms = state.spent_ms + problem.cost.segment_ms[exit_ + 1, staying]
    return _Children(
        parent=np.full(len(cut), parent, np.int64),
        cut=cut,
        spent_ms=spent_ms,
        full_ms=spent_ms + problem.tail_ms[exit_ + 1, staying],
        correct=correct,
        blended=correct + final.sum() - _leading(final, cut),
        hoped=correct + later[rows].sum() - _leading(later[rows], cut),
    )


def _ordered(problem: Problem, state: _State, exit_: int) -> NDArray[np.int64]:
    """Return the samples left in a state, from the highest score at an exit to the lowest."""
    order = problem.order[exit_]
    return np.asarray(order[state.alive[order]], np.int64)


def _leading(right: NDArray[np.int64], cut: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sum of the first `cut` counts, for each cut."""
    sums = np.concatenate([[0], np.cumsum(right)])
    return np.asarray(sums[cut], np.int64)


def _thin(children: _Children, rows: NDArray[np.int64], required: int) -> NDArray[np.int64]:
    """Return the rows of the children that go on, at most `_WIDTH`.

    Most places go to children that meet the requirement as they are. The others need later exits that are better
    than the final one; they get the rest. So that no kind is crowded out, each is thinned on its own.
    """
    if len(rows) <= _WIDTH:
        return rows
    meets = children.blended[rows] >= required
    few = _WIDTH // 4
    return np.concatenate([_spread(children, rows[meets], _WIDTH - few), _spread(children, rows[~meets], few)])


def _spread(children: _Children, rows: NDArray[np.int64], places: int) -> NDArray[np.int64]:
    """Return the cheapest row and, for each of `places - 1` equal intervals of full cost, the one with most right."""
    if len(rows) <= places:
        return rows
    ms = children.full_ms[rows]
    position = (ms - ms.min()) / max(float(np.ptp(ms)), np.finfo(np.float64).tiny)
    interval = np.minimum((position * (places - 1)).astype(np.int64), places - 2)
    blended = children.blended[rows]
    ranked = np.lexsort((-ms, blended, interval))
    best = ranked[np.flatnonzero(np.diff(interval[ranked], append=places))]
    cheapest = np.lexsort((-blended, ms))[:1]
    return rows[np.union1d(best, cheapest)]


def _follow(problem: Problem, states: Sequence[_State], children: _Children, row: int) -> _State:
    """Return the state that one child leads to."""
    parent = states[int(children.parent[row])]
    exit_ = len(parent.thresholds)
    rows = _ordered(problem, parent, exit_)
    cut = int(children.cut[row])
    alive = parent.alive.copy()
    alive[rows[:cut]] = False
    return _State(
        thresholds=(*parent.thresholds, threshold_at(problem.scores[rows, exit_], cut)),
        alive=alive,
        spent_ms=float(children.spent_ms[row]),
        correct=int(children.correct[row]),
    )
