"""What the pieces of any composition cost: from behind one exit to the next, or to the end."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eecalib.composition.candidate_heads import CandidateHeads
from eecalib.exit_choice.merged_costs import merged_costs
from eecalib.expected_cost import tabulate_expected_cost

__all__ = ["START", "PieceCosts"]

F64 = NDArray[np.float64]

START = -1
"""In the place of a tap: the input of the network."""


class PieceCosts:
    """Expected milliseconds of every piece, `[samples + 1]` by how many of the recorded samples reach it.

    The last entry is that of a batch in which all reach it.

    Attributes:
        to_head: by tap in front (or `START`) and head.
        to_end: by tap in front: the last segment.
        least: by tap in front: the least of the pieces that can come next; what a composition costs from there on is
            never less.
    """

    def __init__(self, heads: CandidateHeads) -> None:
        taps = heads.trunk.segments - 1
        pairs = [(start, head) for head, tap in enumerate(heads.taps) for start in range(START, tap)]
        rows = [_added(_piece(heads, start, heads.taps[head]), heads.head_ms[head]) for start, head in pairs]
        ends = range(START, taps)
        rows += [_piece(heads, start, taps) for start in ends]
        table = replace(heads.trunk, segment_ms=tuple(rows), move_ms=(0.0,) * (len(rows) - 1))
        found = tabulate_expected_cost(table, batch=heads.batch, samples=heads.samples).segment_ms
        self.to_head: dict[tuple[int, int], F64] = dict(zip(pairs, found[: len(pairs)], strict=True))
        self.to_end: dict[int, F64] = dict(zip(ends, found[len(pairs) :], strict=True))
        self.least: dict[int, F64] = {
            start: np.min([self.to_end[start], *(ms for (at, _), ms in self.to_head.items() if at == start)], axis=0)
            for start in ends
        }


def _piece(heads: CandidateHeads, start: int, end: int) -> tuple[float, ...]:
    """Milliseconds by bucket of the trunk from behind one tap to another, or to its end."""
    last = heads.trunk.segments - 1
    kept = [tap for tap in (start, end) if START < tap < last]
    return merged_costs(heads.trunk, kept).segment_ms[0 if start == START else 1]


def _added(first: Sequence[float], second: Sequence[float]) -> tuple[float, ...]:
    return tuple(map(sum, zip(first, second, strict=True)))
