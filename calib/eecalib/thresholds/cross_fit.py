"""How much of the quality seen on the tune split is owed to fitting thresholds to it."""

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_table import ExitTable
from eecalib.expected_cost import SegmentCosts
from eecalib.replay import leave
from eecalib.thresholds.tune import search_thresholds
from eecalib.whole_groups import images_of
from eengines.errors import UserError

__all__ = ["optimism"]


def optimism(
    table: ExitTable,
    costs: SegmentCosts,
    *,
    batch: int,
    max_drop: float,
    agreement: bool,
    folds: int,
    seed: int,
) -> float:
    """Estimate by how much the relative drop on new samples exceeds the drop on the samples tuned on.

    The search picks the thresholds whose errors happen to be few on its samples, so its drop looks too good. Here the
    samples are dealt into folds, those of a folded network in their groups. Thresholds tuned on all folds but one are
    replayed on those folds and on the one left out. The estimate is the mean drop on samples left out less the mean
    drop on samples tuned on: K-fold cross-validation of the optimism of a fitted rule. Two folds tune on one half and
    measure on the other, both ways.

    Use: tune on the whole table with `max_drop` less this estimate. The drop on new samples is then at most about
    `max_drop` on average over networks and splits. It is a correction of the mean and no guarantee for one network:
    for that, certify the thresholds on a split of their own. The estimate leans to the safe side, because a fold's
    search has fewer samples than the whole table, and because a smaller drop leaves less room to over-fit.

    Args:
        table: scores and answers of the tune split.
        costs: what it costs to run some rows of each segment.
        batch: rows in one batch at run time: samples, or groups of a folded network.
        max_drop: the allowed relative drop, as for `tune_thresholds`.
        agreement: measure agreement with the final exit even if there are labels.
        folds: how many parts the samples, or groups, are dealt into; the search runs once for each.
        seed: decides which sample goes into which fold.

    Returns:
        A difference of relative drops. It is an estimate with noise, so it can be negative; clip it at 0 before use.

    Raises:
        UserError: `folds` is not within 2 and the number of samples (of groups), or as for `tune_thresholds`.
    """
    if not 2 <= folds <= table.groups:
        raise UserError(
            "optimism: folds", f"got {folds}, expected 2 to {table.groups}", "Use 5, or fewer for a faster estimate"
        )
    dealt = np.random.default_rng(seed).permutation(table.groups) % folds
    correct = table.against(agreement=agreement)
    loss_held_out = 0
    loss_tuned_on = 0
    for fold in range(folds):
        tuned_on = images_of(np.flatnonzero(dealt != fold), table.fold)
        lost = _lost(table, correct, tuned_on, costs, batch=batch, max_drop=max_drop)
        loss_tuned_on += int(lost[tuned_on].sum())
        loss_held_out += int(lost.sum()) - int(lost[tuned_on].sum())
    right = max(1, int(correct[:, -1].sum()))
    return loss_held_out / right - loss_tuned_on / (right * (folds - 1))


def _lost(
    table: ExitTable,
    correct: NDArray[np.int64],
    tuned_on: NDArray[np.int64],
    costs: SegmentCosts,
    *,
    batch: int,
    max_drop: float,
) -> NDArray[np.int64]:
    """Right units of the final exit that each sample loses, `[samples]`, under thresholds tuned on some of them."""
    scores, right = table.scores[tuned_on], correct[tuned_on]
    _, found = search_thresholds(scores, right, costs, batch=batch, max_drop=max_drop, fold=table.fold, rule=table.rule)
    index = leave(table.scores, found.thresholds, fold=table.fold, rule=table.rule).answered
    return np.asarray(correct[:, -1] - correct[np.arange(table.samples), index])
