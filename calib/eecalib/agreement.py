"""How alike two networks answer, exit by exit and where samples leave.

Shares are of the samples or, with one answer a pixel, of all pixels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_table import ExitTable
from eecalib.replay import leave

__all__ = ["answers_kept", "exits_agreement", "keeps_bound"]

ROUNDING = 1e-9
"""Shares are quotients of counts; a bound that is met exactly is met."""


def exits_agreement(table: ExitTable, reference: ExitTable) -> tuple[float, ...]:
    """For each exit, the share of samples that two networks answer alike."""
    units = int(table.all_units.sum())
    return tuple(int(count) / units for count in _alike(table, reference).sum(axis=0))


def answers_kept(table: ExitTable, reference: ExitTable, thresholds: Sequence[float | None]) -> float:
    """Share of samples whose answer, at the exit that answers them in the reference, is the reference's."""
    gone = leave(reference.scores, thresholds, fold=reference.fold, rule=reference.rule)
    return int(_alike(table, reference)[np.arange(reference.samples), gone.answered].sum()) / int(table.all_units.sum())


def keeps_bound(alike: Sequence[float], max_quant_drop: float) -> bool:
    """Whether all of some shares of samples answered alike are large enough."""
    return min(alike) >= 1 - max_quant_drop - ROUNDING


def _alike(table: ExitTable, reference: ExitTable) -> NDArray[np.int64]:
    """Answers that the two share at the same exit, `[samples, exits] int64`."""
    return table.alike([reference.answers[:, exit_] for exit_ in range(table.exits)], None)
