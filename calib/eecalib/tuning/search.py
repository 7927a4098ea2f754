"""Thresholds of one policy for what the user promises: a drop in quality, or a budget."""

import numpy as np

from eecalib.thresholds.coordinate_descent import descend
from eecalib.thresholds.grouped_search import grouped_thresholds
from eecalib.thresholds.idle_exits import without_idle_exits
from eecalib.thresholds.midpoints import at_midpoints
from eecalib.thresholds.pame import pame_thresholds
from eecalib.thresholds.problem import Problem, Thresholds
from eecalib.thresholds.uniform import uniform_threshold
from eecalib.trace import Played
from eecalib.tuning.data import TuningData

__all__ = ["problem_for", "thresholds_for_budget", "thresholds_for_drop"]

HALVINGS = 12
"""Of the interval of right answers in which the most is sought that a budget allows: to a part in 4,096."""


UNTESTED = -10
"""Right answers of a sample where it is not tested, in units of all answers: less than any drop asks for."""


def problem_for(played: Played, data: TuningData, required: int) -> Problem:
    """Return the search problem of a policy: the least expected cost with at least `required` samples right.

    Nobody may leave where the policy does not test: it would count as more wrong answers than can be made up for.
    """
    right = played.table.against(agreement=False)
    correct = np.where(played.tested, right, UNTESTED * int(played.table.units.sum()))
    table = played.table
    return Problem(
        scores=table.scores, correct=correct, cost=data.cost, required=required, fold=table.fold, rule=table.rule
    )


def thresholds_for_drop(played: Played, data: TuningData, max_drop: float) -> Thresholds:
    """Return the thresholds of the least expected cost found for an allowed drop.

    Args:
        played: scores and answers of the policy.
        data: costs, and what the drop is relative to.
        max_drop: allowed relative drop, for example 0.01; a negative one asks for more than float32 has right.
    """
    return _best(problem_for(played, data, data.required(max_drop)))


def thresholds_for_budget(played: Played, data: TuningData, budget_ms: float) -> Thresholds:
    """Return the thresholds with the most right answers found whose expected cost is within a budget.

    The least cost rises with what must be right, so the most that a budget allows is found by halving. Where even the
    cheapest thresholds cost more, those are returned.

    Args:
        played: scores and answers of the policy.
        data: costs.
        budget_ms: expected milliseconds of a batch.
    """
    correct = played.table.against(agreement=False)
    low, high = 0, int(correct.max(axis=1).sum())
    best = _best(problem_for(played, data, 0))
    for _ in range(HALVINGS):
        middle = (low + high + 1) // 2
        problem = problem_for(played, data, middle)
        found = _best(problem)
        outcome = problem.outcome(found)
        if outcome.correct >= middle and outcome.ms <= budget_ms:
            best, low = found, middle
        else:
            high = middle - 1
        if low >= high:
            break
    return best


def _best(problem: Problem) -> Thresholds:
    """Improve two starts one exit at a time, take the better one, and move thresholds to the middle of their gaps.

    A beam over all exits finds a little less cost on these samples, in ten times the time, and loses it on others.
    Groups of a folded network have a search of their own.
    """
    if problem.fold > 1:
        best = grouped_thresholds(problem).thresholds
    else:
        starts = (pame_thresholds(problem), uniform_threshold(problem))
        found = [descend(problem, without_idle_exits(problem, start.thresholds)).thresholds for start in starts]
        best = min(found, key=lambda thresholds: problem.outcome(thresholds).ms)
    closed = without_idle_exits(problem, best)
    return at_midpoints(problem.scores, closed, fold=problem.fold, rule=problem.rule)
