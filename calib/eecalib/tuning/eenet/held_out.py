"""What fitting EENet's scores adds to the cost of new samples, and whether the scores are worth it there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.replay import leave_at
from eecalib.tuning.eenet.features import ExitFeatures
from eecalib.tuning.eenet.fit import EENetFit
from eecalib.tuning.eenet.quantile_thresholds import Quantiles
from eecalib.tuning.eenet.scores import all_scores, fit_scores, initial_weights
from eecalib.tuning.share_cost import F64, ShareCost

__all__ = ["HeldOut", "hold_out"]

STEPS = 30
"""L-BFGS iterations: as many as all turns of `fit_eenet` together."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """How learned scores did on samples that they were not fitted to.

    Attributes:
        added: relative cost above that on the samples fitted to; 0 where it was no higher.
        learned_wins: whether more samples are right by them than by the largest probability at the same shares.
    """

    added: float
    learned_wins: bool


def hold_out(features: ExitFeatures, cost: ShareCost, fit: EENetFit, *, seed: int) -> HeldOut:
    """Fit scores and thresholds to each half of the samples and look at the other half.

    The errors of the two halves' quantiles are opposite and cancel in the mean; what is left is owed to fitting.

    Args:
        features: of all samples.
        cost: of a batch.
        fit: whose assignment and shares are used.
        seed: of the halves.
    """
    order = np.random.default_rng(seed).permutation(features.samples)
    halves = np.array_split(order, 2)
    plain = initial_weights(features.exits, features.classes)
    added, more = 0.0, 0
    for own, other in (halves, halves[::-1]):
        learned = fit_scores(plain, features.rows(own), fit.assigned[:, own], iterations=STEPS)
        counts = []
        for weights in (learned, plain):
            scores = all_scores(weights, features).T.astype(np.float32)
            thresholds = Quantiles(scores[own]).thresholds(fit.shares)
            index = leave_at(scores, thresholds)
            counts.append(int(features.right[index[other], other].sum()))
            if weights is learned:
                spent = [float(cost.ms(_shares(index[rows], features.exits))) for rows in (own, other)]
                added += (spent[1] / spent[0] - 1) / 2
        more += counts[0] - counts[1]
    return HeldOut(added=max(0.0, added), learned_wins=more > 0)


def _shares(index: NDArray[np.int32], exits: int) -> F64:
    """Return the share that leaves at each exit."""
    return np.bincount(index, minlength=exits) / len(index)
