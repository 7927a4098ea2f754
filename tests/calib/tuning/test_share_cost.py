"""The cost of shares, its slope, shares tilted to a cost, geometric shares, and how far below a budget to aim."""

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_data
from hypothesis import given, settings
from hypothesis import strategies as st

from eecalib.tuning.budget import aim_below, check_budget, spread_budgets
from eecalib.tuning.eenet.geometric_exits import geometric_shares
from eecalib.tuning.share_cost import ShareCost
from eengines.errors import UserError

DATA = synthetic_data(400, exits=4, classes=5, seed=1)
COST = ShareCost(cost=DATA.cost)
SHARES = st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).filter(lambda x: sum(x) > 0.1)


def share(numbers: list[float]) -> np.ndarray:
    return np.array(numbers) / sum(numbers)


def test_whole_counts_cost_what_the_table_says() -> None:
    counts = np.array([100, 0, 250, 50])
    reached = 400 - np.concatenate([[0], np.cumsum(counts)[:-1]])
    assert COST.ms(counts / 400) == pytest.approx(COST.cost.batch_ms(reached), rel=1e-12)
    assert COST.ms(np.eye(4)[0]) == pytest.approx(COST.least_ms)
    assert COST.ms(np.eye(4)[3]) == pytest.approx(COST.most_ms)


def test_the_gradient_is_the_slope() -> None:
    shares = np.array([0.301, 0.222, 0.1411, 0.3359])
    for index in range(3):
        change = np.zeros(4)
        change[[index, 3]] = 1e-6, -1e-6
        slope = (COST.ms(shares + change) - COST.ms(shares - change)) / 2
        assert slope == pytest.approx(float(COST.gradient(shares) @ change), rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(numbers=SHARES, position=st.floats(0, 1))
def test_tilted_shares_cost_the_target_and_no_more(numbers: list[float], position: float) -> None:
    target = COST.least_ms + position * (COST.most_ms - COST.least_ms)
    tilted = COST.tilted(share(numbers), target)
    assert tilted.sum() == pytest.approx(1)
    assert COST.ms(tilted) <= target + 1e-9
    assert COST.ms(tilted) == pytest.approx(target, rel=1e-4)


def test_shares_that_cost_the_target_stay_as_they_are() -> None:
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    np.testing.assert_allclose(COST.tilted(shares, float(COST.ms(shares))), shares, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(position=st.floats(0, 1.2))
def test_geometric_shares_never_cost_more(position: float) -> None:
    target = COST.least_ms + position * (COST.most_ms - COST.least_ms)
    shares = geometric_shares(COST, target)
    assert COST.ms(shares) <= target + 1e-9
    assert COST.ms(shares) == pytest.approx(min(target, COST.most_ms), rel=1e-6)
    with np.errstate(divide="ignore"):
        steps = np.diff(np.log(shares[shares > 1e-200]))
    np.testing.assert_allclose(steps, steps[:1].repeat(len(steps)), rtol=1e-6)


def test_the_aim_lies_below_by_the_error_of_both_samples() -> None:
    shares, budget = np.array([0.4, 0.3, 0.2, 0.1]), 0.6 * COST.most_ms
    aim = float(COST.ms(aim_below(COST, shares, budget, added_ms=0.0, seed=0)))
    more = float(COST.ms(aim_below(COST, shares, budget, added_ms=0.1, seed=0)))
    assert aim - more == pytest.approx(0.1, rel=1e-3)
    p = COST.tilted(shares, budget)
    slope = COST.gradient(p)
    deviation = np.sqrt(2 / 400 * (p @ slope**2 - (p @ slope) ** 2))
    assert budget - aim == pytest.approx(2.326 * deviation, rel=0.15)


def test_more_samples_are_aimed_at_less_far_below() -> None:
    many = ShareCost(cost=synthetic_data(6400, exits=4, classes=5, seed=1).cost)
    shares, budget = np.array([0.4, 0.3, 0.2, 0.1]), 0.6 * COST.most_ms
    few_below, many_below = (
        budget - float(c.ms(aim_below(c, shares, budget, added_ms=0.0, seed=0))) for c in (COST, many)
    )
    assert many_below == pytest.approx(few_below / 4, rel=0.2)


def test_budgets_are_spread_and_those_that_cannot_be_kept_are_refused() -> None:
    budgets = spread_budgets(COST, 5)
    assert list(budgets) == sorted(budgets, reverse=True)
    assert COST.least_ms < budgets[-1] < budgets[0] < COST.most_ms
    check_budget(COST, COST.least_ms, unit="ms")
    with pytest.raises(UserError, match=f"expected {COST.least_ms:.4g} ms.* to {COST.most_ms:.4g} ms"):
        check_budget(COST, 0.99 * COST.least_ms, unit="ms")
    with pytest.raises(UserError, match="got nan ms"):
        check_budget(COST, float("nan"), unit="ms")
