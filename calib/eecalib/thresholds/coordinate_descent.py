"""Improve thresholds one exit at a time, with the others held fixed."""

import numpy as np
from numpy.typing import NDArray

from eecalib.replay import leave_at
from eecalib.thresholds.problem import SAME_MS, Found, Problem, Thresholds, cuts, threshold_at

__all__ = ["descend"]


def descend(problem: Problem, thresholds: Thresholds) -> Found:
    """Set each exit in turn to its best threshold given the others, until none of them can be improved.

    Every distinct score of the samples that reach the exit is tried, and None. The result costs no more than what
    was given, and it is feasible if that was.

    Returns:
        The thresholds, and how many candidates were looked at.
    """
    best_ms = problem.outcome(thresholds).ms
    candidates = 0
    improving = True
    while improving:
        improving = False
        for exit_ in reversed(range(problem.exits - 1)):
            found = _best_at(problem, thresholds, exit_)
            candidates += found.candidates
            ms = problem.outcome(found.thresholds).ms
            if ms < best_ms * (1 - SAME_MS):
                thresholds, best_ms, improving = found.thresholds, ms, True
    return Found(thresholds=thresholds, candidates=candidates)


def _best_at(problem: Problem, thresholds: Thresholds, exit_: int) -> Found:
    """Return the cheapest feasible thresholds that differ from those given at one exit only."""
    elsewhere = leave_at(problem.scores, (*thresholds[:exit_], None, *thresholds[exit_ + 1 :]))
    order = problem.order[exit_]
    rows = order[elsewhere[order] > exit_]
    if len(rows) == 0:
        return Found(thresholds=thresholds, candidates=0)
    scores = problem.scores[rows, exit_]
    options = cuts(scores)
    later = elsewhere[rows]
    change = problem.correct[rows, exit_] - problem.correct[rows, later]
    gain = np.concatenate([[0], np.cumsum(change)])[options]
    correct = problem.correct[np.arange(problem.samples), elsewhere].sum() + gain
    ms = _later_ms(problem, later, exit_, options)
    ms[correct < problem.required] = np.inf
    cut = int(options[np.argmin(ms)])
    if not np.isfinite(ms.min()):
        return Found(thresholds=thresholds, candidates=len(options))
    changed = (*thresholds[:exit_], threshold_at(scores, cut), *thresholds[exit_ + 1 :])
    return Found(thresholds=changed, candidates=len(options))


def _later_ms(
    problem: Problem, later: NDArray[np.int32], exit_: int, options: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the expected cost of all segments after an exit, for each number of samples that leave there."""
    total = np.zeros(len(options))
    for segment in range(exit_ + 1, problem.exits):
        saved = np.concatenate([[0], np.cumsum(later >= segment)])
        total += problem.cost.segment_ms[segment, saved[-1] - saved[options]]
    return total
