"""Let a tuner look for what the user asks, with what fitting costs taken into account."""

from collections.abc import Sequence
from dataclasses import dataclass

from eecalib.tuning.candidate import Candidate
from eecalib.tuning.cross_fit import cross_fit
from eecalib.tuning.data import TuningData
from eecalib.tuning.goal import Goal
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
        frontier: candidates for several drops, from slow to fast.
    """

    candidate: Candidate
    asked_drop: float | None
    frontier: tuple[Candidate, ...]


def try_tuner(tuner: Tuner, data: TuningData, goal: Goal) -> Tried:
    """Return what a tuner finds.

    Args:
        tuner: the tuner.
        data: the recording of *tune*, and costs.
        goal: what is asked for.
    """
    frontier = tuner.frontier(data, goal.drops)
    if goal.budget is not None:
        return Tried(candidate=tuner.within(data, goal.budget), asked_drop=None, frontier=frontier)
    assert goal.max_drop is not None  # noqa: S101 - one of the two
    asked = goal.max_drop
    if data.groups >= LEAST_SAMPLES:
        seen = cross_fit(tuner.frontier, data, goal.drops, folds=tuner.folds, deals=tuner.deals)
        asked = min(asked, seen.ask_for(goal.max_drop))
    (candidate,) = tuner.frontier(data, (asked,))
    return Tried(candidate=candidate, asked_drop=asked, frontier=_distinct((*frontier, candidate)))


def _distinct(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    return tuple(dict.fromkeys(candidates))
