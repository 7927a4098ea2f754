"""Known values of the gate's score, and what it refuses."""

from itertools import permutations

import numpy as np
import pytest

from eengines.errors import UserError
from eerun.policies import GatiPolicy
from eerun.policies.gati import gate_inputs

LOGITS = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]], np.float32))


def gate(*, ordered: bool, weights=((2.0, -1.0, 0.5),), bias=(0.25,), top: int = 10) -> GatiPolicy:
    return GatiPolicy(weights=weights, bias=bias, ordered=ordered, top=top)


def test_the_score_is_a_sigmoid_of_log_probabilities() -> None:
    z = np.log([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]]) @ [2.0, -1.0, 0.5] + 0.25
    score, state = gate(ordered=False).score(LOGITS, None, exit_index=0)
    np.testing.assert_allclose(score, 1 / (1 + np.exp(-z)), atol=1e-6)
    assert score.dtype == np.float32
    assert state == ()
    assert score[0] != pytest.approx(score[1])


def test_the_order_of_classes_does_not_matter_once_sorted() -> None:
    expected = 1 / (1 + np.exp(-(np.log([0.7, 0.2, 0.1]) @ [2.0, -1.0, 0.5] + 0.25)))
    for order in permutations(range(3)):
        score, _ = gate(ordered=True).score(LOGITS[:1, order], None, exit_index=0)
        assert score[0] == pytest.approx(expected, abs=1e-6)


def test_only_the_largest_are_read() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (5, 30)).astype(np.float32)
    read = gate_inputs(logits, ordered=True, top=4)
    assert read.shape == (5, 4)
    assert (np.diff(read, axis=1) <= 0).all()
    np.testing.assert_array_equal(read[:, 0], gate_inputs(logits, ordered=False, top=4).max(axis=1))
    assert gate_inputs(LOGITS, ordered=True, top=10).shape == (2, 3)


def test_masked_classes_and_very_sure_logits_are_finite() -> None:
    logits = np.array([[0.0, -np.inf, -np.inf], [0.0, -500.0, 500.0]], np.float32)
    for ordered in (False, True):
        read = gate_inputs(logits, ordered=ordered, top=3)
        assert read.min() == pytest.approx(-16, abs=1e-5)
        score, _ = gate(ordered=ordered).score(logits, None, exit_index=0)
        assert np.isfinite(score).all()


def test_a_steep_gate_stays_within_0_and_1() -> None:
    with np.errstate(over="raise"):
        score, _ = gate(ordered=True, weights=((1e4, 0.0, -1e4),)).score(LOGITS, None, exit_index=0)
    assert ((score >= 0) & (score <= 1)).all()


def test_the_final_exit_reports_its_largest_probability() -> None:
    score, _ = gate(ordered=True).score(LOGITS, None, exit_index=1)
    np.testing.assert_allclose(score, [0.7, 0.7], atol=1e-6)


def test_a_gate_of_another_network_is_refused() -> None:
    with pytest.raises(UserError, match="exit 0 has weights for 2 log-probabilities, got 3"):
        gate(ordered=False, weights=((1.0, 2.0),)).score(LOGITS, None, exit_index=0)
    with pytest.raises(UserError, match="got weights of 1 exits and a bias of 2"):
        gate(ordered=False, bias=(0.0, 0.0))
