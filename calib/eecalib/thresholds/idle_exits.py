"""Switch off the exits that save nothing."""

from eecalib.thresholds.problem import SAME_MS, Problem, Thresholds

__all__ = ["without_idle_exits"]


def without_idle_exits(problem: Problem, thresholds: Thresholds) -> Thresholds:
    """Return the thresholds with None at each exit whose use does not lower the expected cost.

    An exit stays only if, with the others as they are, to close it costs time or breaks the quality asked for. All
    exits are closed if the thresholds are not good enough, or not cheaper than no exits at all.
    """
    start = problem.outcome(thresholds)
    if start.correct < problem.required or start.ms >= problem.cost.full_ms * (1 - SAME_MS):
        return problem.never
    kept = thresholds
    allowed_ms = start.ms * (1 + SAME_MS)
    closing = True
    while closing:
        closing = False
        for exit_, threshold in enumerate(kept):
            if threshold is None:
                continue
            closed = (*kept[:exit_], None, *kept[exit_ + 1 :])
            outcome = problem.outcome(closed)
            if outcome.ms <= allowed_ms and outcome.correct >= problem.required:
                kept, closing = closed, True
                allowed_ms = min(allowed_ms, outcome.ms * (1 + SAME_MS))
    return kept
