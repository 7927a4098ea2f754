"""Some of the exits of a network, with thresholds, and what a batch is expected to cost."""

from dataclasses import dataclass, replace

from eecalib.exit_choice.merged_costs import merged_costs
from eecalib.trace import play
from eecalib.tuning.batch_times import batch_times
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.outcome import evaluate
from eecalib.tuning.search import thresholds_for_drop
from eerun.policies import ExitPolicy

__all__ = ["TAIL_SHARE", "ExitSet", "keeps_tail", "search_set"]

BATCHES = 2000
"""Drawn for the tail."""

TAIL_SHARE = 0.01
"""Of batches that may take longer than the limit."""


@dataclass(frozen=True, kw_only=True)
class ExitSet:
    """Some of the early exits.

    Attributes:
        kept: their indices, ascending.
        candidate: policy and thresholds for them.
        expected_ms: expected milliseconds of a batch, with costs of merged segments estimated.
    """

    kept: tuple[int, ...]
    candidate: Candidate
    expected_ms: float


def search_set(policy: ExitPolicy, data: TuningData, kept: tuple[int, ...], max_drop: float) -> ExitSet:
    """Search for the thresholds of one set of exits; None is the threshold of an exit that is idle.

    Args:
        policy: a fitted policy whose score at an exit needs no other exit.
        data: the recording with all exits, and its costs.
        kept: indices of the early exits, ascending.
        max_drop: relative drop to search for.
    """
    few = _without(data, kept)
    played = play(policy, few.trace)
    candidate = Candidate(tuner=policy.name, policy=policy, thresholds=thresholds_for_drop(played, few, max_drop))
    return ExitSet(kept=kept, candidate=candidate, expected_ms=evaluate(candidate, few, played).expected_ms)


def keeps_tail(found: ExitSet, data: TuningData, max_tail_ms: float | None) -> bool:
    """Whether at most one batch of a hundred takes longer than a limit; None: there is none.

    Args:
        found: the set.
        data: the recording with all exits, and its costs.
        max_tail_ms: the limit.
    """
    if max_tail_ms is None:
        return True
    few = _without(data, found.kept)
    played = play(found.candidate.policy, few.trace)
    left = evaluate(found.candidate, few, played).left
    times = batch_times(left, played.tested_rows, few.costs, batch=few.batch, batches=BATCHES, seed=few.seed)
    return bool((times > max_tail_ms).mean() <= TAIL_SHARE)


def _without(data: TuningData, kept: tuple[int, ...]) -> TuningData:
    return replace(data, trace=data.trace.of_exits(kept), costs=merged_costs(data.costs, kept))
