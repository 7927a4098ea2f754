"""Thresholds for a drop against float32, with room for what the search overfits."""

from dataclasses import replace

import pytest
from calib.synthetic_exits import correlated_exits
from calib.synthetic_traces import synthetic_costs

from eecalib.replay import replay
from eecalib.thresholds import optimism
from eecalib.tune_against import tune_against

COSTS = synthetic_costs(3)


def tuned(table, max_drop):
    lines: list[str] = []
    found = tune_against(table, table, COSTS, max_drop=max_drop, agreement=True, seed=0, detail=lines.append)
    return replay(replace(table, labels=None), found), found, lines[0]


def overfitted(table, max_drop):
    return optimism(table, COSTS, batch=32, max_drop=max_drop, agreement=True, folds=5, seed=0)


@pytest.mark.parametrize("fold", [1, 4])
def test_where_nothing_is_left_of_the_drop_exits_stay_that_lose_nothing(fold):
    """Nobody agrees with the final exit more often than itself: less than no drop cannot be asked for."""
    table = replace(correlated_exits(360, 3, seed=1), fold=fold)
    max_drop = 0.002
    assert overfitted(table, max_drop) > max_drop
    result, thresholds, line = tuned(table, max_drop)
    assert any(threshold is not None for threshold in thresholds)
    assert result.agreement == 1
    assert "none keep it, so for 0.00%" in line


def test_of_groups_it_is_estimated_where_it_is_searched():
    table = replace(correlated_exits(400, 3, seed=0), fold=4)
    first = overfitted(table, 0.1)
    second = overfitted(table, 0.1 - first)
    assert first > 0
    assert f"10.00% less {max(first, second):.2%}" in tuned(table, 0.1)[2]
    alone = replace(table, fold=1)
    assert f"10.00% less {max(0.0, overfitted(alone, 0.1)):.2%}" in tuned(alone, 0.1)[2]
