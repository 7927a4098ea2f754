"""Choose heads and thresholds: the least expected time of a batch that keeps the limits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eecalib.composition.candidate_heads import CandidateHeads
from eecalib.composition.first_look import FirstLook
from eecalib.composition.limits import Limits
from eecalib.composition.precision_floor import raise_to_precision
from eecalib.composition.scores import fit_score, score_of_heads
from eecalib.exit_table import ExitTable
from eecalib.thresholds.problem import Thresholds
from eecalib.trace import ExitTrace, Played, play
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.cross_fit import cross_fit
from eecalib.tuning.data import TuningData
from eecalib.tuning.goal import Goal
from eecalib.tuning.outcome import evaluate
from eecalib.tuning.search import thresholds_for_drop
from eecalib.tuning.try_tuner import LEAST_SAMPLES
from eerun.policies import ExitPolicy

__all__ = ["MOST_SEARCHED", "SHARE_OF_DROP", "Composition", "compose", "settle"]

MOST_SEARCHED = 60
"""Compositions whose thresholds are searched."""

SHARE_OF_DROP = 0.5
"""Of the allowed drop, that compositions are compared at: fitting costs about the rest, with many exits more."""

SETTLED = 3
"""Of these, so many are tried in turn, the cheapest first, until one pays and keeps the drop after cross-fitting."""

FOLDS = 5

NOBODY: tuple[int, ...] = ()
"""The composition without heads."""


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Heads with thresholds.

    Attributes:
        kept: indices of the heads, ascending; none: nobody leaves early.
        candidate: policy and thresholds for them.
        asked_drop: relative drop that the thresholds were searched for.
    """

    kept: tuple[int, ...]
    candidate: Candidate
    asked_drop: float


def compose(
    heads: CandidateHeads,
    look: FirstLook,
    fitted: tuple[ExitPolicy, ExitTable],
    limits: Limits,
    *,
    also: Sequence[tuple[int, ...]],
    progress: Callable[[float], None],
) -> Composition:
    """Return the composition with the least expected time found; without heads where none pays.

    Thresholds are searched for the best of the first look, at half of the drop. Those of the cheapest are then searched
    for the drop that cross-fitting allows: on other samples it should be about the allowed one.

    Args:
        heads: what there is to choose from.
        look: at these heads with this policy.
        fitted: a policy that was fitted to all heads, and what they say under it.
        limits: what must be kept.
        also: compositions that are searched, too, if they keep the limits.
        progress: called with the share that is done.
    """
    policy, _ = fitted
    drop = SHARE_OF_DROP * limits.max_drop
    required = heads.data(NOBODY).required(drop)
    found = look.find(limits, required=required, most=MOST_SEARCHED)
    wanted = [kept for _, kept in found.best]
    wanted += [kept for kept in also if kept not in wanted and heads.keeps(limits, kept)]
    searched = []
    for index, kept in enumerate(wanted):
        searched.append((_searched_ms(heads, fitted, limits, kept, drop), kept))
        progress((index + 1) / (len(wanted) + SETTLED))
    asked = drop
    for ms, kept in sorted(searched)[:SETTLED]:
        if not kept or ms >= heads.whole_ms:
            break
        data = heads.data(kept)
        asked = _allowed_drop(policy.name, data, limits)
        settled = settle(heads, policy.name, kept, asked, limits.min_precision)
        outcome = evaluate(settled.candidate, heads.data(settled.kept))
        if outcome.expected_ms < heads.whole_ms and outcome.correct >= data.required(limits.max_drop):
            return settled
    candidate = Candidate(tuner=policy.name, policy=score_of_heads(policy, NOBODY), thresholds=())
    return Composition(kept=NOBODY, candidate=candidate, asked_drop=asked)


def settle(
    heads: CandidateHeads, policy: str, kept: tuple[int, ...], drop: float, min_precision: float | None
) -> Composition:
    """Return thresholds of some heads for a drop; heads at which nobody would leave are left out.

    Args:
        heads: all heads.
        policy: name of the score.
        kept: the heads.
        drop: relative drop to search for.
        min_precision: see `Limits`.
    """
    while True:
        (candidate,) = _frontier(policy, min_precision)(heads.data(kept), (drop,))
        used = tuple(head for head, at in zip(kept, candidate.thresholds, strict=True) if at is not None)
        if used == kept:
            return Composition(kept=kept, candidate=candidate, asked_drop=drop)
        kept = used


def _searched_ms(
    heads: CandidateHeads,
    fitted: tuple[ExitPolicy, ExitTable],
    limits: Limits,
    kept: tuple[int, ...],
    drop: float,
) -> float:
    """Expected milliseconds with thresholds for a drop; infinite where an exit is idle or a limit is broken."""
    policy, table = fitted
    data, columns = heads.data(kept), [*kept, table.exits - 1]
    few = ExitTable(scores=table.scores[:, columns], answers=table.answers[:, columns], labels=table.labels)
    played = Played(table=few, tested=np.ones(few.scores.shape, np.bool_))
    thresholds = _thresholds(played, data, drop, limits.min_precision)
    if None in thresholds:
        return np.inf
    candidate = Candidate(tuner=policy.name, policy=score_of_heads(policy, kept), thresholds=thresholds)
    outcome = evaluate(candidate, data, played)
    return outcome.expected_ms if outcome.correct >= data.required(drop) else np.inf


def _thresholds(played: Played, data: TuningData, drop: float, min_precision: float | None) -> Thresholds:
    """Search, then see to the precision of each exit."""
    thresholds = thresholds_for_drop(played, data, drop)
    if min_precision is None:
        return thresholds
    table = played.table
    good = np.maximum(table.correct, table.agreeing)
    return raise_to_precision(table.scores, good, thresholds, min_precision)


def _allowed_drop(policy: str, data: TuningData, limits: Limits) -> float:
    """The drop to search for so that the one on new samples is about the allowed one."""
    if data.samples < LEAST_SAMPLES:
        return limits.max_drop
    drops = Goal(max_drop=limits.max_drop, budget=None).drops
    seen = cross_fit(_frontier(policy, limits.min_precision), data, drops, folds=FOLDS, deals=1)
    return min(limits.max_drop, seen.ask_for(limits.max_drop))


def _frontier(policy: str, min_precision: float | None) -> Callable[[TuningData, Sequence[float]], list[Candidate]]:
    """Fits a score to some samples, and finds thresholds for several drops."""

    def find(data: TuningData, drops: Sequence[float]) -> list[Candidate]:
        assert isinstance(data.trace, ExitTrace)  # noqa: S101 - that of candidate heads is
        fitted = fit_score(policy, data.trace, seed=data.seed)
        played = play(fitted, data.trace)
        return [
            Candidate(tuner=policy, policy=fitted, thresholds=_thresholds(played, data, drop, min_precision))
            for drop in drops
        ]

    return find
