"""The beam is exact on small tables, and never worse than PAME on others."""

import numpy as np
import pytest
from calib.synthetic_exits import StairCosts, cheapest_of_all, correlated_exits, problem_of, stair_costs, tiny_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from eecalib.thresholds.idle_exits import without_idle_exits
from eecalib.thresholds.pame import pame_thresholds
from eecalib.thresholds.pareto_beam import beam_thresholds


@settings(deadline=None)
@given(tiny_tables(exits=(3, 3)), st.sampled_from([-0.2, 0.0, 0.1, 0.25, 0.5, 1.0]), st.booleans(), st.data())
def test_as_good_as_trying_everything(table, max_drop, agreement, data):
    problem = problem_of(table, data.draw(stair_costs(segments=3)), max_drop=max_drop, agreement=agreement)
    found = problem.outcome(beam_thresholds(problem).thresholds)
    assert found.ms == pytest.approx(cheapest_of_all(problem), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("max_drop", [0.0, 0.01, 0.05])
def test_close_to_everything_when_states_are_dropped(max_drop):
    table = correlated_exits(24, 4, seed=7)
    problem = problem_of(table, StairCosts(group_ms=(1.0, 2.0, 1.0, 2.0), group=2, max_batch=8), max_drop=max_drop)
    found = problem.outcome(beam_thresholds(problem).thresholds)
    assert found.correct >= problem.required
    assert cheapest_of_all(problem) <= found.ms * (1 + 1e-9)
    assert found.ms <= 1.01 * cheapest_of_all(problem)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("samples", "exits"), [(600, 3), (600, 6)])
def test_cheaper_than_pame(samples, exits, seed):
    table = correlated_exits(samples, exits, seed=seed)
    problem = problem_of(table, StairCosts(group_ms=(1.0,) * exits, group=4, max_batch=16), max_drop=0.02)
    greedy = problem.outcome(without_idle_exits(problem, pame_thresholds(problem).thresholds))
    found = problem.outcome(beam_thresholds(problem).thresholds)
    assert found.correct >= problem.required
    assert found.ms < 0.99 * greedy.ms


@settings(deadline=None)
@given(tiny_tables(exits=(2, 4)), st.sampled_from([0.0, 0.1, 0.5]), st.data())
def test_never_dearer_than_pame(table, max_drop, data):
    problem = problem_of(table, data.draw(stair_costs(segments=table.exits)), max_drop=max_drop)
    greedy = problem.outcome(without_idle_exits(problem, pame_thresholds(problem).thresholds))
    assert problem.outcome(beam_thresholds(problem).thresholds).ms <= greedy.ms


def test_equal_costs_of_many_states_do_not_confuse_it():
    table = correlated_exits(300, 4, seed=2)
    free = problem_of(table, StairCosts(group_ms=(1.0, 0.0, 0.0, 0.0), group=1, max_batch=4), max_drop=0.1)
    assert np.isclose(free.outcome(beam_thresholds(free).thresholds).ms, 4.0)
