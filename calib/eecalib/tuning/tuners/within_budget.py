"""A budget for tuners that only know drops."""

import numpy as np

from eecalib.tuning.budget import aim_below
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.outcome import evaluate
from eecalib.tuning.share_cost import ShareCost
from eecalib.tuning.tuners.tuner import Tuner

__all__ = ["smallest_drop_within"]


def smallest_drop_within(tuner: Tuner, data: TuningData, budget: float) -> Candidate:
    """Return the candidate of the smallest of many drops that keeps a budget on new samples, too."""
    found = tuner.frontier(data, tuple(np.linspace(0.0, 0.3, 61).tolist()))
    outcomes = [evaluate(each, data) for each in found]

    def first_within(limit: float) -> int:
        return next((index for index, each in enumerate(outcomes) if each.expected_ms <= limit), len(found) - 1)

    cost, shares = ShareCost(cost=data.cost), np.array(outcomes[first_within(budget)].row_shares)
    aim = float(cost.ms(aim_below(cost, shares, budget, added_ms=0.0, seed=data.seed)))
    return found[first_within(budget - max(0.0, min(budget, cost.most_ms) - aim))]
