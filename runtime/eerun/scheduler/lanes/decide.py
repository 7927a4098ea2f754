"""Who leaves at an exit, where every row is one sample with terms of its own."""

import numpy as np
from numpy.typing import NDArray

from eerun.scheduler.lanes.calls import Calls
from eerun.scheduler.lanes.row_facts import CALL, CHOSEN, EARLY, STATE, RowFacts
from eerun.scheduler.lanes.verdict import NOBODY, Verdict

__all__ = ["decide"]


def decide(facts: RowFacts, scores: NDArray[np.float32], calls: Calls, exit_index: int) -> Verdict:
    """Return who leaves: whose score reaches the threshold, whoever is forced here, and at the final exit everybody.

    Args:
        facts: of the rows.
        scores: `[rows] float32`.
        calls: whose samples they are.
        exit_index: of this exit.
    """
    rows, final = len(scores), exit_index == len(calls.bars) - 1
    if calls.watched:
        return _decide_watched(facts, scores, calls, exit_index, final=final)
    if final:
        return Verdict(np.arange(rows), NOBODY, NOBODY, facts.arrays)
    leaving = _passing(facts, scores, calls, exit_index)
    return Verdict(leaving.nonzero()[0], NOBODY, (~leaving).nonzero()[0], facts.arrays)


def _passing(facts: RowFacts, scores: NDArray[np.float32], calls: Calls, exit_index: int) -> NDArray[np.bool_]:
    """Which rows pass an early exit."""
    owners = facts.samples[: len(scores), 0, CALL]
    passing: NDArray[np.bool_] = scores >= calls.bars[exit_index].take(owners)
    if calls.forced:
        passing |= calls.last.take(owners) == exit_index
    return passing


def _decide_watched(
    facts: RowFacts, scores: NDArray[np.float32], calls: Calls, exit_index: int, *, final: bool
) -> Verdict:
    """The same where some samples are watched: one that leaves early is answered, and its row stays."""
    samples = facts.samples[: len(scores)].copy()
    state = samples[:, 0, STATE]
    early = state == EARLY
    if final:
        return Verdict((~early).nonzero()[0], early.nonzero()[0], NOBODY, (samples,))
    passing = _passing(facts, scores, calls, exit_index) & ~early
    watched = passing & (state == CHOSEN)
    state[watched] = EARLY
    return Verdict(passing.nonzero()[0], NOBODY, (~passing | watched).nonzero()[0], (samples,))
