"""Let a tuner look for what the user asks, with what fitting costs taken into account."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from eecalib.tuning.candidate import Candidate
from eecalib.tuning.cross_fit import cross_fit
from eecalib.tuning.data import TuningData
from eecalib.tuning.goal import Goal
from eecalib.tuning.outcome import evaluate
from eecalib.tuning.tuners import Tuner

__all__ = ["LEAST_SAMPLES", "Tried", "try_tuner"]

LEAST_SAMPLES = 50
"""Fewer, or as few groups, are not dealt into folds: the drop is searched for as it was asked."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What a tuner found.

    Attributes:
        candidate: for the goal.
        asked_drop: the drop that was searched for, so that the one on new samples is about the allowed one; None: a
            budget was given.
        held_out_drop: the drop on new samples, as samples held out tell; None: a budget was given, or samples are too
            few to tell.
        frontier: candidates for several drops, from slow to fast.
    """

    candidate: Candidate
    asked_drop: float | None
    held_out_drop: float | None
    frontier: tuple[Candidate, ...]


def try_tuner(tuner: Tuner, data: TuningData, goal: Goal) -> Tried:
    """Return what a tuner finds.

    A drop that no thresholds keep on these samples, not even those with which nobody leaves early, tells nothing about
    drops that some keep: it takes no part in the choice. If nobody leaves early at the drop to search for, the least
    one is taken at which somebody does, as long as what is lost on new samples is the allowed drop or within a standard
    error of it; see `held_out_drop`.

    Args:
        tuner: the tuner.
        data: the recording of *tune*, and costs.
        goal: what is asked for.
    """
    frontier = tuner.frontier(data, goal.drops)
    if goal.budget is not None:
        return Tried(candidate=tuner.within(data, goal.budget), asked_drop=None, held_out_drop=None, frontier=frontier)
    assert goal.max_drop is not None  # noqa: S101 - one of the two
    kept = [drop for drop, each in zip(goal.drops, frontier, strict=True) if _keeps(each, data, drop)]
    asked, seen = goal.max_drop, None
    if data.groups >= LEAST_SAMPLES and kept:
        seen = cross_fit(tuner.frontier, data, kept, folds=tuner.folds, deals=tuner.deals)
        asked = min(asked, seen.ask_for(goal.max_drop))
    (candidate,) = tuner.frontier(data, (asked,))
    if seen is not None and not _leaves(candidate):
        larger = [pair for pair in zip(goal.drops, frontier, strict=True) if asked < pair[0] <= goal.max_drop]
        least, other = next((pair for pair in larger if _leaves(pair[1])), (asked, candidate))
        if _about(seen.expected(least), goal.max_drop, data):
            asked, candidate = least, other
    return Tried(
        candidate=candidate,
        asked_drop=asked,
        held_out_drop=None if seen is None else seen.expected(asked),
        frontier=_distinct((*frontier, candidate)),
    )


def _leaves(candidate: Candidate) -> bool:
    return any(threshold is not None for threshold in candidate.thresholds)


def _about(expected: float, max_drop: float, data: TuningData) -> bool:
    """Whether an expected drop is the allowed one, within a standard error: so many of the samples are lost, or not."""
    return expected <= max_drop + sqrt(max(0.0, expected) / data.samples)


def _keeps(candidate: Candidate, data: TuningData, drop: float) -> bool:
    return evaluate(candidate, data).correct >= data.required(drop)


def _distinct(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    return tuple(dict.fromkeys(candidates))
