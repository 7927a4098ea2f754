"""Which of a network's exits pay, by what they say on *tune* and by measured costs of segments."""

from collections.abc import Callable
from dataclasses import dataclass

from eecalib.exit_choice.choose import cheapest_sets
from eecalib.exit_choice.exit_set import search_set
from eecalib.exit_choice.greedy import greedy_sets
from eecalib.exit_choice.subsets import MOST_EXITS
from eecalib.trace import ExitTrace, play
from eecalib.tuning import TuningData
from eerun.costs import CostTable
from eerun.policies import policy_by_name

__all__ = ["SEARCH_POLICY", "Selection", "select_exits"]

SEARCH_POLICY = "max-probability"
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the search found.

    Attributes:
        kept: indices of the early exits to keep, ascending; none: no early exit pays.
        expected_ms: expected milliseconds of a batch with them.
        expected_ms_all: the same with all exits.
    """

    kept: tuple[int, ...]
    expected_ms: float
    expected_ms_all: float


def select_exits(
    trace: ExitTrace, costs: CostTable, *, max_drop: float, progress: Callable[[float], None]
) -> Selection:
    """Return the cheapest set of early exits, for batches of the largest size.

    Args:
        trace: what all exits say about *tune*, with labels.
        costs: measured, of the chain with all exits.
        max_drop: allowed relative drop of accuracy against the chain's own final exit.
        progress: takes the share that is done.
    """
    policy, early = policy_by_name(SEARCH_POLICY), tuple(range(trace.exits - 1))
    reference = play(policy, trace).table.correct[:, -1]
    data = TuningData(trace=trace, reference_right=reference, costs=costs, batch=costs.max_batch, seed=SEED)
    search = cheapest_sets if len(early) <= MOST_EXITS else greedy_sets
    (best,) = search(policy, data, max_drop, most=1, max_tail_ms=None, progress=progress)
    everything = search_set(policy, data, early, max_drop)
    return Selection(kept=best.kept, expected_ms=best.expected_ms, expected_ms_all=everything.expected_ms)
