"""PAME's rule, by hand and against its published recursion."""

import numpy as np
from calib.synthetic_exits import StairCosts, correlated_exits, problem_of, stair_costs, tiny_tables
from hypothesis import given
from hypothesis import strategies as st

from eecalib.exit_table import ExitTable
from eecalib.thresholds.pame import pame_thresholds


def by_hand():
    """Ten samples, three exits; the final exit is always right.

    Exit 0, from the highest score: right on samples 0 to 3, wrong on 4, right on 5, wrong on the rest; 6 and 7 tie.
    Exit 1, from the highest score: right on 6, 7 and 9, wrong on 8, right on the rest.
    """
    first = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.65, 0.55, 0.5]
    second = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.8, 0.6, 0.7]
    wrong = np.array([[0, 0, 0, 0, 1, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0, 0, 1, 0], [0] * 10])
    return ExitTable(
        scores=np.array([first, second, [1.0] * 10], np.float32).T,
        answers=wrong.T.astype(np.int64),
        labels=np.zeros(10, np.int64),
    )


COSTS = StairCosts(group_ms=(1.0, 1.0, 1.0), group=1, max_batch=4)


def test_the_hand_worked_example():
    # M = 1, target 0.8. If six samples leave at exit 0, 5/6 of them are right: 5/6 · 0.6 + 1 · 0.4 = 0.9. With the
    # tied next two it is 5/8 · 0.8 + 0.2 = 0.7, too little. So r = 0.4.
    # The four that move on must reach M_2 = (0.8 − 5/6 · 0.6) / 0.4 = 0.75. If all leave at exit 1, 3/4 are right.
    found = pame_thresholds(problem_of(by_hand(), COSTS, max_drop=0.2))
    assert found.thresholds == (float(np.float32(0.7)), float(np.float32(0.6)))
    # nine distinct scores at exit 0, four at exit 1, and "nobody leaves" at both
    assert found.candidates == 15


def test_no_drop_allowed():
    # Four samples may leave at exit 0, all of them right. So M_2 = 1: at exit 1 the three before sample 8 may leave.
    found = pame_thresholds(problem_of(by_hand(), COSTS, max_drop=0.0))
    assert found.thresholds == (float(np.float32(0.8)), float(np.float32(0.7)))


@given(tiny_tables(exits=(2, 4)), st.sampled_from([0.0, 0.1, 0.25, 0.5]), st.data())
def test_the_recursion_as_published(table, max_drop, data):
    problem = problem_of(table, data.draw(stair_costs(segments=table.exits)), max_drop=max_drop)
    left = np.ones(table.samples, bool)
    target = problem.required / table.samples  # M_1 = M · θ, rounded up to whole samples
    for exit_, threshold in enumerate(pame_thresholds(problem).thresholds):
        settings = {}
        for candidate in [None, *np.unique(table.scores[left, exit_]).tolist()]:
            goes = left & (table.scores[:, exit_] >= (np.inf if candidate is None else np.float32(candidate)))
            stays = left & ~goes
            right = table.correct[goes, exit_].sum() + table.correct[stays, -1].sum()
            if left.any() and right / left.sum() >= target - 1e-9:
                settings[stays.sum() / left.sum()] = (candidate, goes, stays)
        if not settings:
            assert threshold is None
            continue
        ratio, (chosen, goes, stays) = min(settings.items(), key=lambda item: item[0])
        assert threshold == chosen
        if ratio > 0:
            passed = table.correct[goes, exit_].mean() if goes.any() else 0.0
            target = (target - passed * (1 - ratio)) / ratio
        left = stays


def test_the_first_exit_takes_the_whole_budget():
    table = correlated_exits(400, 4, seed=1)
    problem = problem_of(table, StairCosts(group_ms=(1.0,) * 4, group=1, max_batch=8), max_drop=0.05)
    thresholds = pame_thresholds(problem).thresholds
    first_only = (thresholds[0], None, None)
    assert problem.outcome(first_only).correct == problem.required
    assert problem.outcome(thresholds).correct >= problem.required
