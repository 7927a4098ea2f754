"""Sets of early exits that are worth a search for thresholds."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_choice.merged_costs import merged_costs
from eecalib.expected_cost import tabulate_expected_cost
from eecalib.gates import LOSSES, gate_hits
from eecalib.trace import Played
from eecalib.tuning.data import TuningData

__all__ = ["FEW_EXITS", "MOST_EXITS", "promising_subsets"]

FEW_EXITS = 7
"""Early exits up to which every set is searched."""

MOST_EXITS = 16
"""Early exits up to which every set is looked at, with thresholds that are chosen for each exit by itself; with more
it takes too long."""


def promising_subsets(played: Played, data: TuningData, max_drop: float, *, most: int) -> tuple[tuple[int, ...], ...]:
    """Return sets of early exits, each ascending; all of them where they are few, else the cheapest at first look.

    The first look gives each exit the lowest threshold at which those above it lose little against the final exit, and
    goes through all sets: who leaves is counted on the recording, exit by exit, so hits need not be independent.

    Args:
        played: scores and answers with all exits.
        data: costs.
        max_drop: allowed relative drop.
        most: how many sets to return at most; more where all are returned.
    """
    early = range(data.trace.exits - 1)
    if len(early) <= FEW_EXITS:
        return tuple(kept for count in range(len(early) + 1) for kept in combinations(early, count))
    found: dict[tuple[int, ...], float] = {}
    between = _merged_segments(data)
    for loss in LOSSES:
        _look(gate_hits(played.table, loss), played, between, data.required(max_drop), found)
    return tuple(sorted(found, key=lambda kept: found[kept])[:most])


def _look(
    hits: NDArray[np.bool_],
    played: Played,
    between: Mapping[tuple[int, int], NDArray[np.float64]],
    required: int,
    found: dict[tuple[int, ...], float],
) -> None:
    """Note the expected cost of every set that has enough right, the least of several looks."""
    right = played.table.correct
    last = played.table.exits - 1

    def walk(kept: tuple[int, ...], alive: NDArray[np.bool_], correct: int, spent_ms: float) -> None:
        at = kept[-1] if kept else -1
        count = int(alive.sum())
        if correct + int(right[alive, -1].sum()) >= required:
            ms = spent_ms + float(between[at, last][count])
            found[kept] = min(ms, found.get(kept, np.inf))
        for exit_ in range(at + 1, last):
            leaving = alive & hits[exit_]
            if leaving.any() or not kept:
                walk(
                    (*kept, exit_),
                    alive & ~hits[exit_],
                    correct + int(right[leaving, exit_].sum()),
                    spent_ms + float(between[at, exit_][count]),
                )

    walk((), np.ones(played.table.samples, np.bool_), 0, 0.0)


def _merged_segments(data: TuningData) -> dict[tuple[int, int], NDArray[np.float64]]:
    """What it costs to run from behind each exit, -1 for the input, to each later one; see `_merged_segment`."""
    last = data.trace.exits - 1
    return {
        (start, end): _merged_segment(data, start, end)
        for start in range(-1, last)
        for end in range(start + 1, last + 1)
    }


def _merged_segment(data: TuningData, start: int, end: int) -> NDArray[np.float64]:
    """Expected milliseconds of the segment from behind exit `start` to exit `end`, by how many samples reach it."""
    kept = tuple(exit_ for exit_ in (start, end) if 0 <= exit_ < data.trace.exits - 1)
    costs = merged_costs(data.costs, kept)
    position = 0 if start < 0 else 1
    return np.asarray(tabulate_expected_cost(costs, batch=data.batch, samples=data.samples).segment_ms[position])
