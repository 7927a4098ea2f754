"""Known values of Predictive Exit: who is tested where, the table, and the class filter."""

from dataclasses import replace

import numpy as np
import pytest

from eengines.errors import UserError
from eerun.policies import F32, NOT_TESTED, PredictiveExitPolicy, State
from eerun.policies.class_filter import filter_steps

TABLE = PredictiveExitPolicy(
    forecast="calibrated",
    start=1,
    scales=(0.5, 0.8, 0.8),
    edges=((1.0,), (0.75, 1.0), (1.0,)),
    next_exits=((1, 1), (3, 2, 2), (3, 3)),
)
PUBLISHED = PredictiveExitPolicy(forecast="published", start=0, scales=(10.0, 10.0, 10.0, 10.0), reach=3)


def sure_of(*probabilities: float) -> F32:
    """Logits `[rows, 2]` whose largest probability is this."""
    p = np.array(probabilities)
    return np.log(np.stack([1 - p, p], axis=1)).astype(np.float32)


def test_a_sample_is_tested_at_start_and_then_where_the_table_says() -> None:
    state: State | None = None
    exits = [sure_of(0.9, 0.9, 0.9), sure_of(0.9, 0.7, 0.55), sure_of(0.9, 0.9, 0.9), sure_of(0.6, 0.7, 0.8)]
    expected = [
        ([-1, -1, -1], [1, 1, 1]),
        ([0.9 / 0.8, 0.7 / 0.8, 0.55 / 0.8], [2, 2, 3]),
        ([0.9 / 0.8, 0.9 / 0.8, -1], [3, 3, 3]),
        ([0.6, 0.7, 0.8], [3, 3, 3]),
    ]
    for exit_, (logits, (rho, due)) in enumerate(zip(exits, expected, strict=True)):
        score, state = TABLE.score(logits, state, exit_index=exit_)
        np.testing.assert_allclose(score, rho, rtol=1e-6)
        np.testing.assert_array_equal(state[0], due)
    assert TABLE.first_exit == 1
    assert TABLE.skips_by == TABLE.state[0].name == "due"


def test_the_table_does_not_depend_on_the_order_of_classes() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (50, 7)).astype(np.float32)
    order = np.random.default_rng(1).permutation(7)
    here = (np.full(50, 1, np.int64),)
    _, (due,) = TABLE.score(logits, here, exit_index=1)
    _, (other,) = TABLE.score(logits[:, order], here, exit_index=1)
    np.testing.assert_array_equal(due, other)
    published = replace(PUBLISHED, scales=(8.0,) * 4)
    start = (np.zeros(50, np.int64),)
    assert (
        published.score(logits, start, exit_index=0)[1][0]
        != published.score(logits[:, order], start, exit_index=0)[1][0]
    ).any()


def test_the_filter_adds_neighbours_with_zeros_outside() -> None:
    z = np.array([[1, 0, 0, 0], [0, 4, 0, 0], [1, 1, 1, 1], [-2, -2, 0, 0]], np.float32)
    scale = np.array([2.5, 5.5, 12.5], np.float32)
    np.testing.assert_array_equal(filter_steps(z, scale), [4, 1, 1, 1])
    np.testing.assert_array_equal(filter_steps(z, scale[:0]), [1, 1, 1, 1])


def test_the_published_signal_is_the_largest_magnitude_and_reach_bounds_the_jump() -> None:
    logits = np.array([[-12, 1, 0], [0, 0.01, 0], [0, 4, 0]], np.float32)
    score, (due,) = PUBLISHED.score(logits, None, exit_index=0)
    np.testing.assert_allclose(score, [1.2, 0.001, 0.4])
    np.testing.assert_array_equal(due, [1, 3, 2])
    _, (last,) = PUBLISHED.score(logits, (np.full(3, 3, np.int64),), exit_index=3)
    np.testing.assert_array_equal(last, [4, 4, 4])


def test_scores_of_tested_samples_are_not_negative() -> None:
    logits = np.random.default_rng(2).normal(0, 5, (40, 5)).astype(np.float32)
    for rule in (PUBLISHED, replace(TABLE, start=0)):
        score, _ = rule.score(logits, None, exit_index=0)
        assert (score >= 0).all()
        waiting, _ = rule.score(logits, (np.full(40, 2, np.int64),), exit_index=1)
        assert (waiting == NOT_TESTED).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"start": 4},
        {"scales": (0.5, 0.0, 0.8)},
        {"next_exits": ((0, 1), (3, 2, 2), (3, 3))},
        {"next_exits": ((1, 1), (3, 2), (3, 3))},
        {"edges": ((1.0,), (1.0, 0.75), (1.0,))},
        {"edges": ((), (0.75, 1.0), (1.0,)), "next_exits": ((1,), (3, 2, 2), (3, 3))},
        {"edges": (), "next_exits": ()},
        {"reach": 0},
        {"forecast": "published"},
    ],
)
def test_refuses_parameters_that_do_not_fit(changes) -> None:
    with pytest.raises(UserError, match="its parameters do not fit 3 early exits"):
        replace(TABLE, **changes)


def test_refuses_an_exit_that_it_does_not_know() -> None:
    with pytest.raises(UserError, match="got exit 4, its parameters are for 4 exits"):
        TABLE.score(sure_of(0.5), None, exit_index=4)
