"""Candidates from slow to fast, among them the one that was chosen."""

from itertools import pairwise

import pytest
from calib.synthetic_traces import synthetic_data

from eecalib.tuning import Candidate, evaluate
from eecalib.tuning.ladder import ladder_of
from eecalib.tuning.tuners import TUNERS
from eerun.policies import MaxProbabilityPolicy

DATA = synthetic_data(300, exits=4, classes=4, seed=5, heads=True)


@pytest.mark.parametrize("name", ["max-probability", "pame", "accuracy-bins", "geometric-ensemble", "predictive-exit"])
def test_from_slow_to_fast_with_the_chosen_among_them(name):
    (chosen,) = TUNERS[name].frontier(DATA, (0.02,))
    ladder = ladder_of(chosen, DATA, 0.05, budget=None)
    assert ladder[-1] == chosen, "nothing is faster than what was asked for allows"
    assert len(ladder) > 2
    outcomes = [evaluate(each, DATA) for each in ladder]
    assert all(fast.expected_ms < slow.expected_ms for slow, fast in pairwise(outcomes))
    assert outcomes[-1].correct < outcomes[0].correct
    assert {(each.tuner, each.policy) for each in ladder} == {(name, chosen.policy)}
    for each in ladder[1:]:
        assert any(threshold is not None for threshold in each.thresholds)


def test_a_chosen_one_that_never_leaves_is_alone():
    never = Candidate(tuner="by hand", policy=MaxProbabilityPolicy(), thresholds=(None,) * 3)
    ladder = ladder_of(never, DATA, 0.05, budget=None)
    assert ladder == (never,)


def test_for_a_budget_none_costs_more():
    (chosen,) = TUNERS["max-probability"].frontier(DATA, (0.02,))
    budget = evaluate(chosen, DATA).expected_ms * 1.1
    ladder = ladder_of(chosen, DATA, 0.05, budget=budget)
    costs = [evaluate(each, DATA).expected_ms for each in ladder]
    assert max(costs) <= budget
    assert min(costs) < evaluate(chosen, DATA).expected_ms
    assert chosen in ladder


def test_of_two_that_cost_the_same_the_chosen_one_stays():
    """A candidate whose thresholds decide as one of the search does, but are not the same numbers."""
    (found,) = TUNERS["max-probability"].frontier(DATA, (0.05,))
    first, *others = found.thresholds
    chosen = Candidate(tuner="by hand", policy=found.policy, thresholds=(first + 1e-6, *others))
    assert evaluate(chosen, DATA).expected_ms == evaluate(found, DATA).expected_ms
    ladder = ladder_of(chosen, DATA, 0.05, budget=None)
    assert chosen in ladder
    assert found.thresholds not in {each.thresholds for each in ladder}
