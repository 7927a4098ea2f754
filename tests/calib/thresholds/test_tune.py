"""Tuned thresholds keep the quality asked for, and give up when nothing helps."""

import numpy as np
import pytest
from calib.synthetic_exits import StairCosts, correlated_exits, stair_costs, tiny_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from eecalib.exit_table import ExitTable
from eecalib.expected_cost import expected_batch_ms
from eecalib.replay import replay
from eecalib.thresholds import tune_thresholds
from eecalib.thresholds.problem import required_correct
from eengines.errors import UserError

TUNERS = ("beam", "pame")
COSTS = StairCosts(group_ms=(1.0, 1.0, 1.0), group=4, max_batch=16)


@pytest.mark.parametrize("tuner", TUNERS)
@settings(deadline=None)
@given(tiny_tables(), st.sampled_from([0.0, 0.1, 0.5]), st.booleans(), st.data())
def test_the_result_is_what_it_says(tuner, table, max_drop, agreement, data):
    costs = data.draw(stair_costs(segments=table.exits))
    tuning = tune_thresholds(table, costs, batch=5, max_drop=max_drop, agreement=agreement, tuner=tuner)
    again = replay(table, tuning.thresholds)
    assert np.array_equal(again.exit_index, tuning.replay.exit_index)
    assert tuning.expected_ms == pytest.approx(expected_batch_ms(costs, batch=5, reached=again.reached), rel=1e-9)
    assert tuning.expected_ms <= tuning.expected_ms_without_exits
    if agreement or table.labels is None:
        assert again.agreement >= 1 - max_drop - 1e-12
    else:
        assert again.accuracy >= (1 - max_drop) * again.accuracy_final - 1e-12
    if tuning.expected_ms == tuning.expected_ms_without_exits:
        assert tuning.thresholds == (None,) * (table.exits - 1)


@pytest.mark.parametrize("agreement", [True, False])
def test_exits_save_time_on_correlated_exits(agreement):
    table = correlated_exits(500, 3, seed=5)
    tuning = tune_thresholds(table, COSTS, batch=16, max_drop=0.02, agreement=agreement)
    assert tuning.expected_ms < 0.9 * tuning.expected_ms_without_exits
    assert tuning.candidates > 1000


def test_one_exit_has_no_thresholds():
    table = correlated_exits(20, 1, seed=0)
    tuning = tune_thresholds(
        table, StairCosts(group_ms=(1.0,), group=1, max_batch=4), batch=4, max_drop=0.1, agreement=False
    )
    assert tuning.thresholds == ()
    assert tuning.expected_ms == tuning.expected_ms_without_exits == 4.0


@pytest.mark.parametrize("tuner", TUNERS)
def test_equal_scores_leave_together_or_not_at_all(tuner):
    right = np.array([[0, 0], [0, 0], [0, 0], [1, 0]], np.int64)
    table = ExitTable(scores=np.full((4, 2), 0.5, np.float32), answers=right, labels=np.zeros(4, np.int64))
    costs = StairCosts(group_ms=(1.0, 1.0), group=1, max_batch=2)
    strict = tune_thresholds(table, costs, batch=2, max_drop=0.2, agreement=False, tuner=tuner)
    loose = tune_thresholds(table, costs, batch=2, max_drop=0.25, agreement=False, tuner=tuner)
    assert strict.thresholds == (None,)
    assert loose.thresholds == (0.5,)
    assert loose.expected_ms == 2.0


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_gain_that_cannot_be_had_closes_all_exits(tuner):
    table = correlated_exits(200, 3, seed=6)
    tuning = tune_thresholds(table, COSTS, batch=8, max_drop=-1.0, agreement=True, tuner=tuner)
    assert tuning.thresholds == (None, None)


def test_a_batch_that_costs_the_same_for_any_count_needs_no_exits():
    table = correlated_exits(200, 3, seed=6)
    flat = StairCosts(group_ms=(1.0, 1.0, 1.0), group=64, max_batch=64)
    assert tune_thresholds(table, flat, batch=64, max_drop=0.01, agreement=False).thresholds == (None, None)
    free = StairCosts(group_ms=(1.0, 0.0, 0.0), group=1, max_batch=64)
    assert tune_thresholds(table, free, batch=64, max_drop=0.5, agreement=False).thresholds == (None, None)


@pytest.mark.parametrize(
    ("correct", "max_drop", "required"),
    [(300, 0.01, 297), (100, 0.07, 93), (1000, 0.003, 997), (7, 0.0, 7), (7, 1.0, 0), (7, 0.1, 7), (100, -0.01, 101)],
)
def test_the_requirement_is_exact(correct, max_drop, required):
    assert required_correct(correct, max_drop) == required


def test_what_cannot_be_tuned_is_refused():
    table = correlated_exits(10, 3, seed=0)
    two = StairCosts(group_ms=(1.0, 1.0), group=4, max_batch=16)
    with pytest.raises(UserError, match="2 segments, expected 3"):
        tune_thresholds(table, two, batch=4, max_drop=0.1, agreement=False)
    with pytest.raises(UserError, match="max_drop: got 5"):
        tune_thresholds(table, COSTS, batch=4, max_drop=5, agreement=False)
    with pytest.raises(UserError, match="tuner: got 'grid'"):
        tune_thresholds(table, COSTS, batch=4, max_drop=0.1, agreement=False, tuner="grid")
    with pytest.raises(UserError, match="batch: got 17"):
        tune_thresholds(table, COSTS, batch=17, max_drop=0.1, agreement=False)
