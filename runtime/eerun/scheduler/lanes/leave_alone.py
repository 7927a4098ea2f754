"""A single row that nobody watches, without arrays of one element where they cost more than the decision."""

import numpy as np

from eengines.tensors import Array
from eerun.scheduler.lanes.calls import Calls
from eerun.scheduler.lanes.make_parts import Answered
from eerun.scheduler.lanes.row_facts import RowFacts
from eerun.scheduler.lanes.verdict import FIRST, NOBODY, Verdict
from eerun.scheduler.request import Part

__all__ = ["leave_alone"]


def leave_alone(
    facts: RowFacts, calls: Calls, said: tuple[Array, Array], exit_index: int
) -> tuple[Verdict, list[Answered]]:
    """Return whether the only sample goes on, and else its answer; see `decide` and `make_parts`."""
    call, sample, _ = facts.samples[0, 0].tolist()
    outputs, scores = said
    if exit_index < len(calls.bars) - 1 and not (
        scores[0] >= calls.bars[exit_index, call] or (calls.forced and calls.last[call] == exit_index)
    ):
        return Verdict(NOBODY, NOBODY, FIRST, facts.arrays), []
    part = Part(
        request=calls[call],
        samples=np.array([sample]),
        outputs=outputs[:1].astype(np.float32),
        exit_index=exit_index,
        confidence=scores[:1].astype(np.float32),
    )
    return Verdict(FIRST, NOBODY, NOBODY, facts.arrays), [Answered(part, call, 1)]
