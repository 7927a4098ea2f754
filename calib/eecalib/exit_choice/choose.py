"""Which exits to keep: the sets of exits with the least expected cost on the joint recording."""

from collections.abc import Callable

from eecalib.exit_choice.exit_set import ExitSet, keeps_tail, search_set
from eecalib.exit_choice.subsets import promising_subsets
from eecalib.trace import play
from eecalib.tuning.data import TuningData
from eerun.policies import ExitPolicy

__all__ = ["ExitSet", "cheapest_sets"]

MOST_SETS = 128


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
        max_tail_ms: leave out sets with which more than one batch of a hundred takes longer; None: no limit.
        progress: called with the share that is done.
    """
    subsets = promising_subsets(play(policy, data.trace), data, max_drop, most=MOST_SETS)
    found: list[ExitSet] = []
    for index, kept in enumerate(subsets):
        each = search_set(policy, data, kept, max_drop)
        if None not in each.candidate.thresholds and keeps_tail(each, data, max_tail_ms):
            found.append(each)
        progress((index + 1) / len(subsets))
    return tuple(sorted(found, key=lambda each: (each.expected_ms, len(each.kept)))[:most])
