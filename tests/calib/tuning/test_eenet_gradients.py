"""EENet's two losses: gradients against finite differences, and what fitting does."""

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_data

from eecalib.trace import play
from eecalib.tuning.eenet.assignment import (
    AssignmentProblem,
    assign,
    assignment_loss,
    fit_assignment,
    initial_nets,
)
from eecalib.tuning.eenet.features import ExitFeatures
from eecalib.tuning.eenet.fit import fit_eenet
from eecalib.tuning.eenet.scores import all_scores, fit_scores, initial_weights, policy_of, score_loss
from eecalib.tuning.share_cost import ShareCost
from eerun.policies import MaxProbabilityPolicy

EXITS, CLASSES = 4, 5
DATA = synthetic_data(300, exits=EXITS, classes=CLASSES, seed=3)
FEATURES = ExitFeatures.of(DATA.trace)
COST = ShareCost(cost=DATA.cost)
USED = np.arange(CLASSES + 2 + EXITS) < CLASSES + 2 + np.arange(EXITS)[:, None]


def some_weights() -> np.ndarray:
    random = np.random.default_rng(0)
    return initial_weights(EXITS, CLASSES) + USED * random.normal(0, 0.1, USED.shape)


def problem(budget_share: float = 0.6) -> AssignmentProblem:
    scores = np.clip(all_scores(some_weights(), FEATURES), 0, 1)
    inputs = tuple(
        np.concatenate([values, scores[:exit_].T], axis=1) for exit_, values in enumerate(FEATURES.values[:-1])
    )
    return AssignmentProblem(inputs=inputs, scores=scores, cost=COST, budget_ms=budget_share * COST.most_ms)


def test_the_gradient_of_the_scores_is_their_slope() -> None:
    random = np.random.default_rng(1)
    assigned = random.dirichlet(np.ones(EXITS), FEATURES.samples).T
    _, gradient = score_loss(some_weights(), FEATURES, assigned)
    assert (gradient[~USED] == 0).all()
    for _ in range(5):
        direction = USED * random.normal(size=USED.shape)
        up, down = (score_loss(some_weights() + step * direction, FEATURES, assigned)[0] for step in (1e-7, -1e-7))
        assert (up - down) / 2e-7 == pytest.approx(float((gradient * direction).sum()), rel=1e-4)


def test_the_gradient_of_the_assignment_is_its_slope() -> None:
    random = np.random.default_rng(2)
    nets = initial_nets(problem(), seed=0) + random.normal(0, 0.3, initial_nets(problem(), seed=0).shape)
    _, gradient = assignment_loss(nets, problem())
    for _ in range(5):
        direction = random.normal(size=nets.shape)
        up, down = (assignment_loss(nets + step * direction, problem())[0] for step in (1e-6, -1e-6))
        assert (up - down) / 2e-6 == pytest.approx(float(gradient @ direction), rel=1e-4, abs=1e-9)


def test_shares_start_equal_and_reach_a_budget_that_a_softmax_cannot() -> None:
    start = initial_nets(problem(), seed=0)
    shares = assign(start, problem())
    np.testing.assert_allclose(shares.sum(axis=0), 1)
    np.testing.assert_allclose(shares.mean(axis=1), 1 / EXITS, atol=0.05)
    skewed = problem(budget_share=(COST.least_ms + 0.03 * (COST.most_ms - COST.least_ms)) / COST.most_ms)
    fitted = assign(fit_assignment(start, skewed, iterations=60), skewed).mean(axis=1)
    assert COST.ms(fitted) == pytest.approx(skewed.budget_ms, rel=0.01)
    assert fitted.max() / fitted.min() > np.e


def test_the_first_score_is_the_largest_probability_and_fitting_lowers_the_loss() -> None:
    start = initial_weights(EXITS, CLASSES)
    expected = play(MaxProbabilityPolicy(), DATA.trace).table.scores
    np.testing.assert_allclose(all_scores(start, FEATURES).T, expected, atol=1e-6)
    assigned = np.full((EXITS, FEATURES.samples), 1 / EXITS)
    fitted = fit_scores(start, FEATURES, assigned, iterations=20)
    assert score_loss(fitted, FEATURES, assigned)[0] < score_loss(start, FEATURES, assigned)[0]
    assert (fitted[~USED] == 0).all()


def test_the_policy_scores_as_the_fit_does() -> None:
    played = play(policy_of(some_weights()), DATA.trace)
    np.testing.assert_allclose(played.table.scores.T, all_scores(some_weights(), FEATURES), atol=1e-5)


def test_a_fit_is_the_same_for_the_same_seed_and_reaches_its_budget() -> None:
    budget = 0.5 * (COST.least_ms + COST.most_ms)
    once, again = (fit_eenet(FEATURES, COST, budget, seed=5, start=None) for _ in range(2))
    np.testing.assert_array_equal(once.weights, again.weights)
    np.testing.assert_array_equal(once.nets, again.nets)
    assert COST.ms(once.shares) == pytest.approx(budget, rel=0.01)
    later = fit_eenet(FEATURES, COST, 0.9 * budget, seed=5, start=once)
    assert COST.ms(later.shares) == pytest.approx(0.9 * budget, rel=0.01)
