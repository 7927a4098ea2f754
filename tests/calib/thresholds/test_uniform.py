"""One threshold for all exits, against all quantiles tried by hand."""

import numpy as np
from calib.synthetic_exits import StairCosts, correlated_exits, problem_of, stair_costs, tiny_tables
from hypothesis import given
from hypothesis import strategies as st

from eecalib.thresholds.uniform import STEPS, uniform_threshold

COSTS = StairCosts(group_ms=(1.0, 1.0, 1.0), group=1, max_batch=6)


@given(st.data(), tiny_tables(), st.floats(0, 0.5))
def test_it_is_the_cheapest_of_the_quantiles(data, table, drop):
    costs = data.draw(stair_costs(segments=table.exits))
    problem = problem_of(table, costs, max_drop=drop)
    found = uniform_threshold(problem)
    levels = np.quantile(table.scores[:, :-1], np.linspace(0, 1, STEPS)).astype(np.float32) if table.exits > 1 else []
    tried = [problem.outcome((float(level),) * (table.exits - 1)) for level in levels]
    least = min([each.ms for each in tried if each.correct >= problem.required] + [problem.outcome(problem.never).ms])
    assert problem.outcome(found.thresholds).ms == least
    assert len(set(found.thresholds)) <= 1
    assert found.candidates == len(np.unique(levels))


def test_the_same_at_all_exits():
    problem = problem_of(correlated_exits(500, 3, seed=1), COSTS, max_drop=0.02)
    found = uniform_threshold(problem).thresholds
    assert found[0] == found[1]
    assert problem.outcome(found).correct >= problem.required
    assert problem.outcome(found).ms < problem.cost.full_ms


def test_where_none_is_good_enough_nobody_leaves():
    problem = problem_of(correlated_exits(200, 3, seed=1), COSTS, max_drop=-0.9)
    assert uniform_threshold(problem).thresholds == (None, None)
