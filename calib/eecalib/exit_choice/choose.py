"""Which exits to keep: the sets of exits with the least expected cost on the joint recording."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from eecalib.exit_choice.merged_costs import merged_costs
from eecalib.exit_choice.subsets import promising_subsets
from eecalib.trace import play
from eecalib.tuning.batch_times import batch_times
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.outcome import evaluate
from eecalib.tuning.search import thresholds_for_drop
from eerun.policies import ExitPolicy

__all__ = ["ExitSet", "cheapest_sets"]

MOST_SETS = 128
BATCHES = 2000
"""Drawn for the tail."""


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


def cheapest_sets(
    policy: ExitPolicy,
    data: TuningData,
    max_drop: float,
    *,
    most: int,
    max_tail_ms: float | None,
    progress: Callable[[float], None],
) -> tuple[ExitSet, ...]:
    """Return the sets of exits with the least expected cost, the cheapest first; every exit of a set is used.

    Args:
        policy: a fitted policy whose score at an exit needs no other exit.
        data: the recording with all exits, and its costs.
        max_drop: relative drop to search for.
        most: how many sets to return.
        max_tail_ms: leave out sets with which one batch of a hundred takes longer; None: no limit.
        progress: called with the share that is done.
    """
    subsets = promising_subsets(play(policy, data.trace), data, max_drop, most=MOST_SETS)
    found: dict[tuple[int, ...], ExitSet] = {}
    for index, kept in enumerate(subsets):
        each = _search(policy, data, kept, max_drop, max_tail_ms)
        if each is not None:
            found[each.kept] = each
        progress((index + 1) / len(subsets))
    return tuple(sorted(found.values(), key=lambda each: (each.expected_ms, len(each.kept)))[:most])


def _search(
    policy: ExitPolicy, data: TuningData, kept: tuple[int, ...], max_drop: float, max_tail_ms: float | None
) -> ExitSet | None:
    """Thresholds for one set; None: one of its exits would be idle, or its tail is too long."""
    few = replace(data, trace=data.trace.of_exits(kept), costs=merged_costs(data.costs, kept))
    played = play(policy, few.trace)
    thresholds = thresholds_for_drop(played, few, max_drop)
    if None in thresholds:
        return None
    candidate = Candidate(tuner=policy.name, policy=policy, thresholds=thresholds)
    outcome = evaluate(candidate, few, played)
    if max_tail_ms is not None:
        times = batch_times(
            outcome.exit_index, played.tested, few.costs, batch=few.batch, batches=BATCHES, seed=few.seed
        )
        if sorted(times.tolist())[int(0.99 * BATCHES)] > max_tail_ms:
            return None
    return ExitSet(kept=kept, candidate=candidate, expected_ms=outcome.expected_ms)
