"""Tune thresholds of one configuration for a drop against the network in float32."""

from collections.abc import Callable
from dataclasses import replace

from eecalib.exit_table import ExitTable
from eecalib.thresholds import optimism, tune_thresholds
from eerun.costs import CostTable
from eerun.count_alike import count_alike

__all__ = ["tune_against"]

FOLDS = 5


def tune_against(
    table: ExitTable,
    reference: ExitTable,
    costs: CostTable,
    *,
    max_drop: float,
    agreement: bool,
    seed: int,
    detail: Callable[[str], None],
) -> tuple[float | None, ...]:
    """Return the thresholds with the least expected time, one for each exit but the last; None: nobody leaves there.

    The search runs on all samples, for a drop that leaves room for what it overfits. Where so little is left that no
    thresholds keep it, not even those with which nobody leaves early, it is for as many right answers as these give.

    Args:
        table: what the exits of this configuration say about *tune*.
        reference: what they say in float32 about the same samples.
        costs: measured times of this configuration; of a folded network a row is a group.
        max_drop: allowed drop, relative to the accuracy of the final exit in float32.
        agreement: the drop is in agreement with that exit, not in accuracy; so it is without labels.
        seed: of the folds.
        detail: takes a line that explains the search.
    """
    if agreement or table.labels is None:
        table = replace(table, labels=reference.answers[:, -1])
    drop, batch = _own_drop(table, reference, max_drop), costs.max_batch
    extra = _overfitted(table, costs, drop, seed=seed)
    found = tune_thresholds(table, costs, batch=batch, max_drop=drop - extra, agreement=False)
    searched = f"{drop:.2%} less {extra:.2%}, by which the search overfits {table.samples} samples (5-fold estimate)"
    if drop - extra < 0 <= drop and all(threshold is None for threshold in found.thresholds):
        found = tune_thresholds(table, costs, batch=batch, max_drop=0.0, agreement=False)
        searched += "; none keep it, so for 0.00%"
    detail(
        f"{costs.engine} {costs.precision}: looked at {found.candidates} threshold vectors; searched for a drop of "
        f"{searched}; expected {found.expected_ms:.2f} ms a batch of {batch * table.fold}, "
        f"{found.expected_ms_without_exits:.2f} ms without exits"
    )
    return found.thresholds


def _overfitted(table: ExitTable, costs: CostTable, drop: float, *, seed: int) -> float:
    """How much more is lost on new samples than on these, 0 or more; 0 where they are too few to tell.

    Groups of a folded network are few, and more is overfitted where less may be lost. So of them it is estimated again
    at the drop that the first estimate leaves, and the larger one counts.
    """
    extra, batch = 0.0, costs.max_batch
    if table.groups < FOLDS:
        return extra
    for _ in range(1 if table.fold == 1 else 2):
        left = max(-1.0, drop - extra)
        extra = max(extra, optimism(table, costs, batch=batch, max_drop=left, agreement=False, folds=FOLDS, seed=seed))
    return extra


def _own_drop(table: ExitTable, reference: ExitTable, max_drop: float) -> float:
    """The drop against this configuration's own final exit that is the allowed drop against float32's.

    (1 − d)·A_reference = (1 − d')·A_own, so d' = 1 − (1 − d)·A_reference / A_own.
    """
    units = int(table.units.sum())
    own = int(table.correct[:, -1].sum()) / units
    expected = int(count_alike(reference.answers[:, -1], table.reference, table.ignored).sum()) / units
    if own in (0, expected):
        return max_drop
    return max(-1.0, round(1 - (1 - max_drop) * expected / own, 9))
