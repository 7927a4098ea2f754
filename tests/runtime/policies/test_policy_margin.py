"""Known values of the margin score."""

import numpy as np
import pytest

from eengines.errors import UserError
from eerun.policies.margin import MarginPolicy

ROUNDING = 1e-6
"""Eight float32 units of the last place at 1."""


def test_known_margins_wherever_the_two_best_stand() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.3, 0.1, 0.6], [0.5, 0.3, 0.2]], np.float32)
    score, state = MarginPolicy().score(np.log(probabilities), None, exit_index=0)
    np.testing.assert_allclose(score, [0.5, 0.5, 0.3, 0.2], atol=ROUNDING, rtol=0)
    assert score.dtype == np.float32
    assert state == ()


def test_a_tie_of_the_best_is_zero() -> None:
    score, _ = MarginPolicy().score(np.array([[2, 2, -5], [1, 1, 1]], np.float32), None, exit_index=0)
    np.testing.assert_array_equal(score, np.zeros(2, np.float32))


def test_certain_is_one() -> None:
    score, _ = MarginPolicy().score(np.array([[80, -80]], np.float32), None, exit_index=0)
    np.testing.assert_array_equal(score, np.ones(1, np.float32))


def test_two_classes_give_the_hyperbolic_tangent() -> None:
    difference = np.array([0.5, 1, 3], np.float32)
    score, _ = MarginPolicy().score(np.stack([difference, np.zeros_like(difference)], axis=1), None, exit_index=0)
    np.testing.assert_allclose(score, np.tanh(difference / 2), atol=ROUNDING, rtol=0)


def test_refuses_one_class() -> None:
    with pytest.raises(UserError, match="policy margin: got logits with 1 classes"):
        MarginPolicy().score(np.zeros((4, 1), np.float32), None, exit_index=0)
