"""Thresholds for groups: feasible, at least as good as every start, and best exit by exit."""

from dataclasses import replace

import numpy as np
import pytest
from calib.synthetic_exits import StairCosts, cheapest_of_all, correlated_exits, stair_costs, tiny_tables
from calib.synthetic_groups import grouped_problem, grouped_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from eecalib.replay import replay
from eecalib.thresholds import optimism, tune_thresholds
from eecalib.thresholds.exit_states import states_at
from eecalib.thresholds.grouped_search import _starts, group_scores, grouped_thresholds
from eecalib.thresholds.midpoints import at_midpoints
from eecalib.thresholds.problem import cuts, threshold_at
from eengines.errors import UserError
from eerun.folding import GroupExit, leave_in_groups

DROPS = st.sampled_from([0.0, 0.1, 0.5])
COSTS = StairCosts(group_ms=(1.0, 1.0, 1.0), group=1, max_batch=8)


@settings(deadline=None)
@given(grouped_tables(), DROPS, st.data())
def test_feasible_and_never_worse_than_a_start(table, max_drop, data):
    problem = grouped_problem(table, data.draw(stair_costs(segments=table.exits)), max_drop=max_drop)
    found = problem.outcome(grouped_thresholds(problem).thresholds)
    assert found.correct >= problem.required
    for start in _starts(problem):
        outcome = problem.outcome(start.thresholds)
        assert outcome.correct < problem.required or found.ms <= outcome.ms * (1 + 1e-9)
    assert cheapest_of_all(problem) <= found.ms * (1 + 1e-9)


@settings(deadline=None)
@given(grouped_tables(), DROPS, st.data())
def test_no_single_change_helps(table, max_drop, data):
    problem = grouped_problem(table, data.draw(stair_costs(segments=table.exits)), max_drop=max_drop)
    thresholds = grouped_thresholds(problem).thresholds
    reached = problem.outcome(thresholds)
    for exit_ in range(table.exits - 1):
        for candidate in [None, *np.unique(table.scores[:, exit_]).tolist()]:
            other = problem.outcome((*thresholds[:exit_], candidate, *thresholds[exit_ + 1 :]))
            if other.correct >= problem.required:
                assert other.ms >= reached.ms or other.ms == pytest.approx(reached.ms, rel=1e-9)


@settings(deadline=None)
@given(grouped_tables(), st.data())
def test_changes_add_up_to_every_threshold_of_an_exit(table, data):
    costs = StairCosts(group_ms=(1.0,) * table.exits, group=1, max_batch=8)
    problem = grouped_problem(table, costs, max_drop=0.0)
    level = st.none() | st.integers(0, 9).map(lambda value: value / 9)
    thresholds = tuple(data.draw(st.lists(level, min_size=table.exits - 1, max_size=table.exits - 1)))
    exit_ = data.draw(st.integers(0, table.exits - 2))
    states = states_at(problem, thresholds, exit_)
    scores = table.scores[states.images, exit_]
    for cut in cuts(scores).tolist() if len(scores) else [0]:
        tried = (*thresholds[:exit_], threshold_at(scores, cut), *thresholds[exit_ + 1 :])
        result = replay(table, tried)
        assert states.correct + states.gain[:cut].sum() == problem.outcome(tried).correct
        reached = states.reached - states.fewer[:cut].sum(axis=0)
        assert reached.tolist() == [round(share * table.groups) for share in result.reached]


@given(grouped_tables(), st.data())
def test_midpoints_decide_the_same(table, data):
    level = st.none() | st.integers(-1, 10).map(lambda value: value / 9)
    thresholds = data.draw(st.lists(level, min_size=table.exits - 1, max_size=table.exits - 1))
    moved = at_midpoints(table.scores, thresholds, fold=table.fold, rule=table.rule)
    before, after = replay(table, thresholds), replay(table, moved)
    np.testing.assert_array_equal(before.exit_index, after.exit_index)
    np.testing.assert_array_equal(before.left_at, after.left_at)


@given(grouped_tables())
def test_a_group_leaves_by_itself_up_to_its_score(table):
    scores = group_scores(table.scores, fold=table.fold, rule=table.rule)
    for group in range(table.groups):
        rows = slice(group * table.fold, (group + 1) * table.fold)
        for score, leaves in ((scores[group, 0], 0), (np.nextafter(scores[group, 0], np.float32(9)), table.exits - 1)):
            thresholds = (float(score), *(None,) * (table.exits - 2))
            left = leave_in_groups(table.scores[rows], thresholds, fold=table.fold, rule=table.rule).left
            assert left.tolist() == [leaves]


@pytest.mark.parametrize("rule", list(GroupExit))
def test_it_saves_time_on_exits_that_agree(rule):
    """Groups leave where their images do: with easy and hard images side by side, and four a group."""
    table = replace(correlated_exits(2000, 3, seed=1), fold=4, rule=rule)
    found = tune_thresholds(table, COSTS, batch=8, max_drop=0.05, agreement=False)
    assert found.expected_ms < 0.99 * found.expected_ms_without_exits
    assert found.replay.accuracy >= 0.95 * found.replay.accuracy_final


def test_groups_are_dealt_whole():
    table = replace(correlated_exits(400, 3, seed=2), fold=4)
    excess = optimism(table, COSTS, batch=8, max_drop=0.02, agreement=False, folds=5, seed=0)
    assert np.isfinite(excess)
    with pytest.raises(UserError, match="expected 2 to 3"):
        optimism(table.rows(np.arange(12)), COSTS, batch=8, max_drop=0.02, agreement=False, folds=4, seed=0)


@settings(deadline=None)
@given(tiny_tables(exits=(2, 4)), DROPS, st.data())
def test_groups_of_one_are_found_as_samples_are(table, max_drop, data):
    """The search for groups on single images is as good as coordinate descent is on samples: no single change helps."""
    problem = grouped_problem(table, data.draw(stair_costs(segments=table.exits)), max_drop=max_drop)
    found = problem.outcome(grouped_thresholds(problem).thresholds)
    assert found.correct >= problem.required
    assert found.ms <= problem.cost.full_ms * (1 + 1e-9)


def test_pame_is_refused():
    table = replace(correlated_exits(40, 3, seed=2), fold=4)
    with pytest.raises(UserError, match="lets samples leave one by one"):
        tune_thresholds(table, COSTS, batch=8, max_drop=0.02, agreement=False, tuner="pame")
