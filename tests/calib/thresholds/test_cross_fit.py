"""The estimated optimism corrects the drop on samples of a known law that the search has not seen."""

import numpy as np
import pytest
from calib.synthetic_exits import StairCosts, correlated_exits

from eecalib.replay import replay
from eecalib.thresholds import optimism, tune_thresholds
from eengines.errors import UserError

COSTS = StairCosts(group_ms=(1.0, 1.0, 1.0, 1.0), group=1, max_batch=8)
MAX_DROP = 0.01


def true_drop(table, max_drop):
    """Tune on a table and return the relative drop on a large sample of the same law."""
    tuning = tune_thresholds(table, COSTS, batch=8, max_drop=max_drop, agreement=False)
    result = replay(correlated_exits(20_000, 4, seed=10_000), tuning.thresholds)
    return 1 - result.accuracy / result.accuracy_final


def test_the_drop_on_new_samples_is_on_average_what_was_allowed():
    plain, corrected = [], []
    for seed in range(20):
        table = correlated_exits(400, 4, seed=seed)
        excess = optimism(table, COSTS, batch=8, max_drop=MAX_DROP, agreement=False, folds=5, seed=seed)
        plain.append(true_drop(table, MAX_DROP))
        corrected.append(true_drop(table, MAX_DROP - max(0.0, excess)))
    assert np.mean(plain) > 1.3 * MAX_DROP
    assert np.mean(corrected) <= MAX_DROP


def test_the_same_seed_gives_the_same_estimate():
    table = correlated_exits(100, 4, seed=1)
    first, second = (optimism(table, COSTS, batch=8, max_drop=0.05, agreement=True, folds=2, seed=3) for _ in range(2))
    assert first == second


def test_closed_exits_have_no_optimism():
    free = StairCosts(group_ms=(1.0, 0.0, 0.0, 0.0), group=1, max_batch=8)
    table = correlated_exits(100, 4, seed=1)
    assert optimism(table, free, batch=8, max_drop=0.1, agreement=False, folds=4, seed=0) == 0


@pytest.mark.parametrize("folds", [1, 11])
def test_folds_that_cannot_be_dealt_are_refused(folds):
    with pytest.raises(UserError, match="expected 2 to 10"):
        optimism(correlated_exits(10, 4, seed=0), COSTS, batch=8, max_drop=0.1, agreement=False, folds=folds, seed=0)
