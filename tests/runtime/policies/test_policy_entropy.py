"""Known values of the entropy score."""

import numpy as np
import pytest

from eengines.errors import UserError
from eerun.policies.entropy import EntropyPolicy

ROUNDING = 1e-6
"""Eight float32 units of the last place at 1."""


def test_known_entropies() -> None:
    probabilities = np.array([[0.5, 0.25, 0.125, 0.125], [0.7, 0.1, 0.1, 0.1]], np.float32)
    exact = 1 + (probabilities.astype(np.float64) * np.log(probabilities.astype(np.float64))).sum(axis=1) / np.log(4)
    score, state = EntropyPolicy().score(np.log(probabilities), None, exit_index=0)
    np.testing.assert_allclose(score, exact, atol=ROUNDING, rtol=0)
    np.testing.assert_allclose(score[0], 1 - 1.75 / 2, atol=ROUNDING, rtol=0)
    assert score.dtype == np.float32
    assert state == ()


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
def test_uniform_is_zero(classes: int) -> None:
    score, _ = EntropyPolicy().score(np.full((1, classes), 3, np.float32), None, exit_index=0)
    np.testing.assert_allclose(score, 0, atol=ROUNDING, rtol=0)


def test_certain_is_one_although_the_other_probabilities_are_zero() -> None:
    with np.errstate(all="raise", under="ignore"):
        score, _ = EntropyPolicy().score(np.array([[0, 200, 0], [-80, 80, -80]], np.float32), None, exit_index=0)
    np.testing.assert_array_equal(score, np.ones(2, np.float32))


def test_masked_class_counts_as_a_class_without_probability() -> None:
    score, _ = EntropyPolicy().score(np.array([[0, 0, -np.inf, -np.inf]], np.float32), None, exit_index=0)
    np.testing.assert_allclose(score, 0.5, atol=ROUNDING, rtol=0)


def test_refuses_one_class() -> None:
    with pytest.raises(UserError, match="policy entropy: got logits with 1 classes"):
        EntropyPolicy().score(np.zeros((4, 1), np.float32), None, exit_index=0)
