"""Thresholds for a drop or a budget: what must be right is right, PAME is never beaten by cost, budgets are kept."""

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_data
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_examples import policy_example

from eecalib.thresholds.pame import pame_thresholds
from eecalib.trace import ExitTrace, play
from eecalib.tuning import Candidate, TuningData, evaluate
from eecalib.tuning.search import problem_for, thresholds_for_budget, thresholds_for_drop
from eerun.policies import MarginPolicy, MaxProbabilityPolicy

POLICY = MaxProbabilityPolicy()
DATA = synthetic_data(300, exits=4, classes=4, seed=2)
PLAYED = play(POLICY, DATA.trace)


def outcome_of(thresholds, data=DATA, policy=POLICY):
    return evaluate(Candidate(tuner="by hand", policy=policy, thresholds=thresholds), data)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 999), drop=st.floats(-0.05, 0.3), samples=st.integers(1, 60))
def test_what_must_be_right_is_right_and_pame_is_never_cheaper(seed, drop, samples):
    data = synthetic_data(samples, exits=3, classes=3, seed=seed, batch=4)
    played = play(MarginPolicy(), data.trace)
    thresholds = thresholds_for_drop(played, data, drop)
    found = outcome_of(thresholds, data, MarginPolicy())
    problem = problem_for(played, data, data.required(drop))
    if any(threshold is not None for threshold in thresholds):
        assert found.correct >= data.required(drop)
    published = problem.outcome(pame_thresholds(problem).thresholds)
    if published.correct >= problem.required:
        assert found.expected_ms <= published.ms * (1 + 1e-9)
    assert found.expected_ms <= data.cost.full_ms * (1 + 1e-9)


def test_a_larger_drop_is_mostly_cheaper_and_ends_with_everybody():
    costs = [outcome_of(thresholds_for_drop(PLAYED, DATA, drop)).expected_ms for drop in (0.0, 0.02, 0.1, 1.0)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == pytest.approx(DATA.costs.run_ms(0, 8))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 1.0])
def test_a_budget_is_kept_and_used(share):
    budget = share * DATA.cost.full_ms
    found = outcome_of(thresholds_for_budget(PLAYED, DATA, budget))
    assert found.expected_ms <= budget
    for drop in np.linspace(0, 0.3, 31):
        other = outcome_of(thresholds_for_drop(PLAYED, DATA, float(drop)))
        assert other.expected_ms > budget or other.correct <= found.correct + 1


def test_a_budget_that_nothing_keeps_gives_the_cheapest():
    found = outcome_of(thresholds_for_budget(PLAYED, DATA, 1e-6))
    assert found.expected_ms == pytest.approx(DATA.costs.run_ms(0, 8))


def test_nobody_leaves_where_he_is_not_tested():
    """A first exit that is always right, and a policy that tests nobody there."""
    logits = np.random.default_rng(0).normal(size=(60, 4, 7)).astype(np.float32)
    logits[:, 0] = logits[:, -1]
    data = TuningData(
        trace=ExitTrace(logits=logits, labels=logits[:, -1].argmax(axis=1)),
        reference_right=np.ones(60, np.int64),
        costs=DATA.costs,
        batch=8,
        seed=0,
    )
    policy = policy_example("predictive-exit", exits=4)
    assert policy.first_exit == 1
    played = play(policy, data.trace)
    for drop in (0.0, 0.5, 1.0, 1.5):
        outcome = outcome_of(thresholds_for_drop(played, data, drop), data, policy)
        assert played.tested[np.arange(60), outcome.exit_index].all()
    cheapest = outcome_of(thresholds_for_budget(played, data, 1e-6), data, policy)
    assert played.tested[np.arange(60), cheapest.exit_index].all()
    assert cheapest.shares[0] == 0 < cheapest.shares[1]
