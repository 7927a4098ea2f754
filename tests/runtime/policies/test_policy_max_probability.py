"""Known values of the max-probability score, and of the softmax under it."""

import numpy as np
import pytest

from eengines.errors import UserError
from eerun.policies.max_probability import MaxProbabilityPolicy, softmax

ROUNDING = 1e-6
"""Eight float32 units of the last place at 1."""


def test_known_probabilities() -> None:
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]], np.float32))
    score, state = MaxProbabilityPolicy().score(logits, None, exit_index=0)
    np.testing.assert_allclose(score, [0.7, 0.5], atol=ROUNDING, rtol=0)
    assert score.dtype == np.float32
    assert state == ()


def test_equal_logits_give_one_over_classes() -> None:
    score, _ = MaxProbabilityPolicy().score(np.full((2, 8), 80, np.float32), None, exit_index=0)
    np.testing.assert_array_equal(score, np.full(2, 0.125, np.float32))


def test_large_logits_do_not_overflow() -> None:
    score, _ = MaxProbabilityPolicy().score(np.array([[1e30, -1e30], [-3e38, 0]], np.float32), None, exit_index=0)
    np.testing.assert_array_equal(score, np.ones(2, np.float32))


def test_softmax_sums_to_one_and_ignores_a_constant() -> None:
    logits = np.random.default_rng(7).normal(0, 3, (5, 11)).astype(np.float32)
    np.testing.assert_allclose(softmax(logits).sum(axis=1), 1, atol=ROUNDING, rtol=0)
    np.testing.assert_array_equal(softmax(np.round(logits)), softmax(np.round(logits) + np.float32(64)))


def test_masked_class_has_no_probability() -> None:
    probabilities = softmax(np.array([[0, -np.inf, 0]], np.float32))
    np.testing.assert_array_equal(probabilities, np.array([[0.5, 0, 0.5]], np.float32))


def test_batch_of_none() -> None:
    score, _ = MaxProbabilityPolicy().score(np.zeros((0, 3), np.float32), None, exit_index=0)
    assert score.shape == (0,)


@pytest.mark.parametrize(
    "logits",
    [np.zeros((2, 3), np.float64), np.zeros(3, np.float32), np.zeros((2, 1), np.float32)],
    ids=["float64", "one axis", "one class"],
)
def test_refuses_other_logits(logits: np.ndarray) -> None:
    with pytest.raises(UserError, match="policy max-probability"):
        MaxProbabilityPolicy().score(logits, None, exit_index=0)
