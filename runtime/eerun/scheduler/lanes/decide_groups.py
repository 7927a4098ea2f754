"""Who is answered at an exit of a folded network, where the images of a row may be of calls with different terms.

The rules are those of `leave_in_groups`. An image passes by the threshold of its own call, or because it is forced
here. A group does not leave at an exit that is closed for an image of it that waits.
"""

import numpy as np
from numpy.typing import NDArray

from eerun.scheduler.lanes.calls import Calls
from eerun.scheduler.lanes.row_facts import CALL, CHOSEN, EARLY, GONE, STATE, WAITS, RowFacts
from eerun.scheduler.lanes.verdict import NOBODY, Verdict

__all__ = ["decide_groups"]


def decide_groups(facts: RowFacts, scores: NDArray[np.float32], calls: Calls, exit_index: int) -> Verdict:
    """Return who is answered, and which groups go on.

    Args:
        facts: of the rows.
        scores: `[rows, fold] float32`.
        calls: whose images they are.
        exit_index: of this exit.
    """
    rows = len(scores)
    state = facts.samples[:rows, :, STATE]
    waits = state >= WAITS
    if exit_index == len(calls.bars) - 1:
        late = (state == EARLY).reshape(-1).nonzero()[0] if calls.watched else NOBODY
        return Verdict(waits.reshape(-1).nonzero()[0], late, NOBODY, ())
    owners = facts.samples[:rows, :, CALL]
    bars = calls.bars[exit_index].take(owners)
    here = scores >= bars
    forced = calls.last.take(owners) == exit_index if calls.forced else None
    if forced is not None:
        here |= forced
    here &= waits
    missing = facts.missing[:rows] - here.sum(axis=1)
    leaving = missing <= 0
    if calls.closed:
        held = waits & np.isnan(bars)
        leaving &= ~(held if forced is None else held & ~forced).any(axis=1)
    here |= waits & leaving[:, None]
    samples = facts.samples[:rows].copy()
    samples[here, STATE] = GONE
    if calls.watched:
        samples[here & (state == CHOSEN), STATE] = EARLY
        leaving &= ~(samples[:, :, STATE] == EARLY).any(axis=1)
    return Verdict(here.reshape(-1).nonzero()[0], NOBODY, (~leaving).nonzero()[0], (samples, missing))
