"""Exits that save nothing are closed."""

from calib.synthetic_exits import StairCosts, correlated_exits, problem_of, stair_costs, tiny_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from eecalib.thresholds.idle_exits import without_idle_exits

OPEN = 0.3


@settings(deadline=None)
@given(tiny_tables(exits=(1, 4)), st.sampled_from([0.0, 0.2, 1.0]), st.data())
def test_every_exit_that_stays_open_is_needed(table, max_drop, data):
    problem = problem_of(table, data.draw(stair_costs(segments=table.exits)), max_drop=max_drop)
    kept = without_idle_exits(problem, (OPEN,) * (table.exits - 1))
    reached = problem.outcome(kept)
    assert reached.correct >= problem.required
    assert reached.ms <= problem.cost.full_ms
    for exit_, threshold in enumerate(kept):
        if threshold is not None:
            closed = problem.outcome((*kept[:exit_], None, *kept[exit_ + 1 :]))
            assert closed.ms > reached.ms or closed.correct < problem.required


def test_an_exit_before_a_free_segment_is_closed():
    table = correlated_exits(200, 3, seed=4)
    costs = StairCosts(group_ms=(1.0, 0.0, 1.0), group=1, max_batch=4)
    assert without_idle_exits(problem_of(table, costs, max_drop=1.0), (2.0, OPEN)) == (None, OPEN)


def test_all_exits_are_closed_if_the_answers_are_too_bad():
    table = correlated_exits(200, 3, seed=4)
    costs = StairCosts(group_ms=(1.0, 1.0, 1.0), group=1, max_batch=4)
    assert without_idle_exits(problem_of(table, costs, max_drop=0.0), (0.0, OPEN)) == (None, None)
