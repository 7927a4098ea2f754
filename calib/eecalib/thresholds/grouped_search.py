"""Search thresholds of a folded network, whose images pass exits one by one and leave in groups.

With the thresholds of all other exits fixed, only the images count that reach an exit unanswered. If the threshold
falls, they pass it in the order of their scores, and a group changes only when one of its own images passes: it has at
most f + 1 states, of which each fixes where the group leaves and how many of its answers are right. So the cost and the
right answers of every threshold of one exit come from one sorted list of changes, exactly. This descent, exit by exit,
starts from several places: what is best if images left alone, what is best if each group were one sample that has the
score of the last image it needs, one threshold for all exits, and no early exit.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eecalib.expected_cost import ExpectedCost
from eecalib.thresholds.coordinate_descent import descend
from eecalib.thresholds.exit_states import ExitStates, states_at
from eecalib.thresholds.idle_exits import without_idle_exits
from eecalib.thresholds.pame import pame_thresholds
from eecalib.thresholds.problem import SAME_MS, Found, Problem, Thresholds, cuts, threshold_at
from eecalib.thresholds.uniform import uniform_threshold
from eerun.folding import GroupExit, passes_needed

__all__ = ["group_scores", "grouped_thresholds"]


def grouped_thresholds(problem: Problem) -> Found:
    """Return the cheapest feasible thresholds found; all None where there are none.

    No start is cheaper than the result and feasible.

    Args:
        problem: with a `fold` above 1.
    """
    best, best_ms, candidates = problem.never, problem.outcome(problem.never).ms, 0
    if problem.outcome(best).correct < problem.required:
        best_ms = np.inf
    for start in _starts(problem):
        found = _descend(problem, start.thresholds)
        candidates += start.candidates + found.candidates
        outcome = problem.outcome(found.thresholds)
        if outcome.correct >= problem.required and outcome.ms < best_ms:
            best, best_ms = found.thresholds, outcome.ms
    return Found(thresholds=best, candidates=candidates)


def group_scores(scores: NDArray[np.float32], *, fold: int, rule: GroupExit) -> NDArray[np.float32]:
    """Return the threshold up to which a group leaves at each exit by itself, `[groups, exits] float32`.

    It is the score of the last image that the group needs: the smallest, the one in the middle, or the largest.

    Args:
        scores: `[images, exits] float32`, whole groups.
        fold: images a group.
        rule: when a group leaves.
    """
    ascending = np.sort(scores.reshape(-1, fold, scores.shape[1]), axis=1)
    needed = int(passes_needed(np.array([fold]), rule)[0])
    return np.ascontiguousarray(ascending[:, fold - needed])


def _starts(problem: Problem) -> Iterator[Found]:
    """Thresholds to start from."""
    for simpler in (_images_alone(problem), _groups_as_samples(problem)):
        found = pame_thresholds(simpler)
        improved = descend(simpler, without_idle_exits(simpler, found.thresholds))
        yield Found(thresholds=improved.thresholds, candidates=found.candidates + improved.candidates)
    yield uniform_threshold(problem)
    yield Found(thresholds=problem.never, candidates=1)


def _images_alone(problem: Problem) -> Problem:
    """The problem if every image left by itself and took its share of a row."""
    reached = np.arange(problem.samples + 1) / problem.fold
    rows = np.arange(problem.groups + 1)
    segment_ms = np.stack([np.interp(reached, rows, row) for row in problem.cost.segment_ms])
    cost = ExpectedCost(batch=problem.cost.batch, segment_ms=segment_ms)
    return Problem(scores=problem.scores, correct=problem.correct, cost=cost, required=problem.required)


def _groups_as_samples(problem: Problem) -> Problem:
    """The problem if all images of a group were answered where it leaves."""
    correct = problem.correct.reshape(problem.groups, problem.fold, problem.exits).sum(axis=1)
    scores = group_scores(problem.scores, fold=problem.fold, rule=problem.rule)
    return Problem(scores=scores, correct=correct, cost=problem.cost, required=problem.required)


def _descend(problem: Problem, thresholds: Thresholds) -> Found:
    """Set each exit in turn to its best threshold given the others, until none of them can be improved.

    Thresholds that are not feasible become so where a change of one exit does it.
    """
    start = problem.outcome(thresholds)
    best_ms = start.ms if start.correct >= problem.required else np.inf
    candidates, improving = 0, True
    while improving:
        improving = False
        for exit_ in reversed(range(problem.exits - 1)):
            found = _best_at(problem, thresholds, exit_)
            candidates += found.candidates
            outcome = problem.outcome(found.thresholds)
            if outcome.correct >= problem.required and outcome.ms < best_ms * (1 - SAME_MS):
                thresholds, best_ms, improving = found.thresholds, outcome.ms, True
    return Found(thresholds=thresholds, candidates=candidates)


def _best_at(problem: Problem, thresholds: Thresholds, exit_: int) -> Found:
    """Return the cheapest feasible thresholds that differ from those given at one exit only; else those given."""
    states = states_at(problem, thresholds, exit_)
    if not len(states.images):
        return Found(thresholds=thresholds, candidates=0)
    scores = problem.scores[states.images, exit_]
    options = cuts(scores)
    correct = states.correct + np.concatenate([[0], np.cumsum(states.gain)])[options]
    ms = _costs(problem, states, options)
    ms[correct < problem.required] = np.inf
    best = int(np.argmin(ms))
    if not np.isfinite(ms[best]):
        return Found(thresholds=thresholds, candidates=len(options))
    changed = (*thresholds[:exit_], threshold_at(scores, int(options[best])), *thresholds[exit_ + 1 :])
    return Found(thresholds=changed, candidates=len(options))


def _costs(problem: Problem, states: ExitStates, options: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the expected cost of a batch for each number of images that pass, `[options] float64`."""
    total = np.zeros(len(options))
    for segment in range(problem.exits):
        fewer = np.concatenate([[0], np.cumsum(states.fewer[:, segment])])[options]
        total += problem.cost.segment_ms[segment, states.reached[segment] - fewer]
    return total
