"""Coordinate descent ends where no single threshold can be improved."""

import numpy as np
import pytest
from calib.synthetic_exits import problem_of, stair_costs, tiny_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from eecalib.thresholds.coordinate_descent import descend


@settings(deadline=None)
@given(tiny_tables(exits=(1, 4)), st.sampled_from([0.0, 0.1, 0.5]), st.data())
def test_no_single_change_helps(table, max_drop, data):
    problem = problem_of(table, data.draw(stair_costs(segments=table.exits)), max_drop=max_drop)
    thresholds = descend(problem, problem.never).thresholds
    reached = problem.outcome(thresholds)
    assert reached.correct >= problem.required
    assert reached.ms <= problem.cost.full_ms
    for exit_ in range(table.exits - 1):
        for candidate in [None, *np.unique(table.scores[:, exit_]).tolist()]:
            other = problem.outcome((*thresholds[:exit_], candidate, *thresholds[exit_ + 1 :]))
            if other.correct >= problem.required:
                assert other.ms >= reached.ms or other.ms == pytest.approx(reached.ms, rel=1e-9)
