"""One threshold for all exits: the rule of most early-exit papers, and a good place to start a search from."""

import numpy as np

from eecalib.thresholds.problem import Found, Problem

__all__ = ["uniform_threshold"]

STEPS = 48
"""Thresholds that are tried: quantiles of all scores of early exits."""


def uniform_threshold(problem: Problem) -> Found:
    """Return the cheapest of some thresholds that are the same at all early exits; all None where none is good enough.

    Scores should mean the same at all exits, as probabilities do.
    """
    best, candidates = problem.never, 0
    best_ms = problem.outcome(best).ms
    early = problem.scores[:, :-1]
    levels = np.unique(np.quantile(early, np.linspace(0, 1, STEPS)).astype(np.float32)) if early.size else ()
    for level in levels:
        thresholds = (float(level),) * (problem.exits - 1)
        outcome = problem.outcome(thresholds)
        candidates += 1
        if outcome.correct >= problem.required and outcome.ms < best_ms:
            best, best_ms = thresholds, outcome.ms
    return Found(thresholds=best, candidates=candidates)
