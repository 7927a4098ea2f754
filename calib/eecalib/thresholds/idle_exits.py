"""Switch off the exits that save nothing."""

from eecalib.thresholds.problem import Problem, Thresholds

__all__ = ["without_idle_exits"]


def without_idle_exits(problem: Problem, thresholds: Thresholds) -> Thresholds:
    """Return the thresholds with None at each exit whose use does not lower the expected cost.

    An exit stays only if, with the others as they are, to close it costs time or breaks the quality asked for. All
    exits are closed if the thresholds are not good enough, or not cheaper than no exits at all.
    """
    best = problem.outcome(thresholds)
    if best.correct < problem.required or best.ms >= problem.cost.full_ms:
        return problem.never
    kept = thresholds
    closing = True
    while closing:
        closing = False
        for exit_, threshold in enumerate(kept):
            if threshold is None:
                continue
            closed = (*kept[:exit_], None, *kept[exit_ + 1 :])
            outcome = problem.outcome(closed)
            if outcome.ms <= best.ms and outcome.correct >= problem.required:
                kept, best, closing = closed, outcome, True
    return kept
