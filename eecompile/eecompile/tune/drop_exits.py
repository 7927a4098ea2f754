"""Which sets of exits are worth building, by the recording with all of them."""

from collections.abc import Sequence

import numpy as np

from eecalib.exit_choice.bpm import exit_times
from eecalib.exit_choice.choose import cheapest_sets
from eecalib.exit_choice.greedy import greedy_sets
from eecalib.exit_choice.subsets import MOST_EXITS
from eecompile.stages import Stages
from eecompile.tune.settings import TuneSettings
from eecompile.tune.try_policies import Bench, TriedPolicy
from eerun.policies import MaxProbabilityPolicy, needs_data

__all__ = ["exit_sets"]

SHARE_OF_DROP = 0.5
"""Of the allowed drop, that sets are compared at: fitting costs about the rest, with many exits more."""


def exit_sets(
    bench: Bench, tried: Sequence[TriedPolicy], settings: TuneSettings, stages: Stages, *, most: int
) -> tuple[tuple[int, ...], ...]:
    """Return the sets of early exits that look cheapest, each ascending; the empty set is left out.

    They are searched with the best of the policies that have nothing to fit and no state: among all sets of up to 16
    early exits, and of more as PAME picks them, one after the other.

    Args:
        bench: the recording with all exits, and its costs.
        tried: what policies found with all exits.
        settings: drop and tail.
        stages: where progress and decisions are shown.
        most: how many sets to return.
    """
    policies = [
        each.tried.candidate.policy
        for each in sorted(tried, key=lambda each: each.report.tune.batch_ms)
        if not needs_data(each.tried.candidate.policy.name) and not each.tried.candidate.policy.state
    ]
    limit_ms = None if settings.max_tail is None else bench.whole_ms * (1 + settings.max_tail)
    _show_critical_ratios(bench, limit_ms or bench.whole_ms, stages)
    search = cheapest_sets if len(bench.shape.kept) <= MOST_EXITS else greedy_sets
    found = search(
        policies[0] if policies else MaxProbabilityPolicy(),
        bench.data("tune"),
        SHARE_OF_DROP * settings.max_drop,
        most=most + 1,
        max_tail_ms=limit_ms,
        progress=stages.progress,
    )
    for each in found:
        names = ", ".join(bench.names[index] for index in each.kept) or "no early exit"
        stages.detail(f"{names}: expected {each.expected_ms:.2f} ms a batch of {bench.batch}, merged costs estimated")
    return tuple(each.kept for each in found if each.kept)[:most]


def _show_critical_ratios(bench: Bench, limit_ms: float, stages: Stages) -> None:
    """Say how much of a batch may move on past each exit, before the batch takes longer than a limit."""
    times = exit_times(bench.costs, batch=bench.batch)
    for exit_, ratio in zip(times.exits, times.critical_ratio(limit_ms).tolist(), strict=True):
        may = "even if nobody moves on" if np.isnan(ratio) else f"if more than {ratio:.0%} of it move on"
        name = bench.names[bench.shape.kept[exit_]]
        if ratio < 1 or np.isnan(ratio):
            stages.detail(f"{name} alone: a batch takes longer than {limit_ms:.2f} ms {may}")
