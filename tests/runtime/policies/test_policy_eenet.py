"""Known values of EENet's score, and what it refuses."""

import numpy as np
import pytest

from eengines.errors import UserError
from eerun.policies import EENetPolicy, EntropyPolicy, MaxProbabilityPolicy, State

LOGITS = np.random.default_rng(4).normal(0, 3, (3, 6, 4)).astype(np.float32)


def policy(*feature_weights: tuple[float, ...], classes: tuple[float, ...] = (0.0,) * 4) -> EENetPolicy:
    return EENetPolicy(class_weights=(classes,) * len(feature_weights), feature_weights=feature_weights)


def scores(rule: EENetPolicy) -> list[np.ndarray]:
    state: State | None = None
    found = []
    for exit_ in range(len(rule.feature_weights)):
        score, state = rule.score(LOGITS[exit_], state, exit_index=exit_)
        found.append(score)
    return found


def test_one_weight_gives_the_largest_probability_or_the_entropy() -> None:
    (largest,) = scores(policy((1.0, 0.0)))
    (certainty,) = scores(policy((0.0, 1.0)))
    np.testing.assert_allclose(largest, MaxProbabilityPolicy().score(LOGITS[0], None, exit_index=0)[0], rtol=1e-6)
    np.testing.assert_allclose(certainty, EntropyPolicy().score(LOGITS[0], None, exit_index=0)[0], atol=1e-6)


def test_class_weights_weigh_probabilities() -> None:
    (score,) = scores(policy((0.0, 0.0), classes=(0.0, 2.0, 0.0, 0.0)))
    p = np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(score, 2 * p[:, 1], atol=1e-6)


def test_past_scores_are_clamped_and_the_score_is_not() -> None:
    first, second, third = scores(policy((3.0, 0.0), (-2.0, 0.0, 0.0), (0.0, 0.0, 0.25, 0.5)))
    assert first.max() > 1
    assert second.max() < 0
    np.testing.assert_allclose(third, 0.25 * np.clip(first, 0, 1), atol=1e-6)


def test_the_state_has_a_fixed_width_and_zeros_for_exits_to_come() -> None:
    rule = policy((0.5, 0.0), (0.5, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))
    first, (past,) = rule.score(LOGITS[0], None, exit_index=0)
    assert rule.state[0].shape == (2,)
    np.testing.assert_array_equal(past, np.stack([first, np.zeros_like(first)], axis=1))
    _, (last,) = rule.score(LOGITS[2], (np.ones((6, 2), np.float32),), exit_index=2)
    np.testing.assert_array_equal(last, np.ones((6, 2), np.float32))


@pytest.mark.parametrize(
    ("class_weights", "feature_weights"),
    [((), ()), (((0.0, 0.0),), ((1.0,),)), (((0.0, 0.0), (0.0,)), ((1.0, 0.0), (1.0, 0.0, 0.0)))],
    ids=["no exit", "too few features", "uneven classes"],
)
def test_refuses_weights_that_do_not_fit(class_weights, feature_weights) -> None:
    with pytest.raises(UserError, match="policy eenet: got class weights"):
        EENetPolicy(class_weights=class_weights, feature_weights=feature_weights)


@pytest.mark.parametrize(("classes", "exit_index"), [(5, 0), (4, 1)])
def test_refuses_another_network(classes: int, exit_index: int) -> None:
    with pytest.raises(UserError, match="its weights are for 1 exits with 4 classes"):
        policy((1.0, 0.0)).score(np.zeros((2, classes), np.float32), None, exit_index=exit_index)
