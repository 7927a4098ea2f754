"""Known values of the ensemble, its state and its answer."""

import numpy as np
import pytest

from eengines.errors import UserError
from eerun.policies import GeometricEnsemblePolicy

POLICY = GeometricEnsemblePolicy(classes=3, weights=(1.0, 0.5), carried=(0.0, 2.0))
FIRST, SECOND = np.array([[0.5, 0.4, 0.1]]), np.array([[0.1, 0.6, 0.3]])


def logits_of(probabilities: np.ndarray) -> np.ndarray:
    """Logits with some offset, which a softmax does not see."""
    return (np.log(probabilities) + 3).astype(np.float32)


def test_the_answer_is_the_weighted_geometric_mean_of_the_exits() -> None:
    score, state = POLICY.score(logits_of(FIRST), None, exit_index=0)
    assert score[0] == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_allclose(POLICY.answer(logits_of(FIRST), state), np.log(FIRST), atol=1e-5)
    score, state = POLICY.score(logits_of(SECOND), state, exit_index=1)
    product = FIRST**2 * SECOND**0.5
    assert score[0] == pytest.approx((product / product.sum()).max(), abs=1e-6)
    np.testing.assert_allclose(POLICY.answer(logits_of(SECOND), state), np.log(product), atol=1e-5)


def test_the_first_exit_may_outvote_the_second() -> None:
    _, state = POLICY.score(logits_of(np.array([[0.8, 0.1, 0.1]])), None, exit_index=0)
    _, state = POLICY.score(logits_of(SECOND), state, exit_index=1)
    assert logits_of(SECOND).argmax() == 1
    assert POLICY.answer(logits_of(SECOND), state).argmax() == 0


def test_the_final_exit_answers_for_itself() -> None:
    _, state = POLICY.score(logits_of(FIRST), None, exit_index=0)
    _, state = POLICY.score(logits_of(FIRST), state, exit_index=1)
    score, after = POLICY.score(logits_of(SECOND), state, exit_index=2)
    assert score[0] == pytest.approx(0.6, abs=1e-6)
    assert after == ()


def test_masked_classes_stay_out_and_finite() -> None:
    masked = np.array([[2.0, 1.0, -np.inf]], np.float32)
    state = None
    for exit_ in range(2):
        score, state = POLICY.score(masked, state, exit_index=exit_)
        assert np.isfinite(state[0]).all()
        assert np.isfinite(score).all()
    assert state[0].argmin() == 2


def test_state_is_what_is_declared() -> None:
    _, state = POLICY.score(logits_of(FIRST), None, exit_index=0)
    assert [(array.dtype.name, array.shape[1:]) for array in state] == [
        (spec.dtype, spec.shape) for spec in POLICY.state
    ]


@pytest.mark.parametrize(
    "state",
    [(), (np.zeros((2, 3), np.float32),), (np.zeros((1, 4), np.float32),), (np.zeros((1, 3)),)],
    ids=["none", "other rows", "other classes", "other type"],
)
def test_refuses_another_state(state) -> None:
    with pytest.raises(UserError, match=r"expected \['float32 \[1, 3\]'\]"):
        POLICY.score(logits_of(SECOND), state, exit_index=1)


def test_weights_are_not_negative_and_belong_to_the_same_exits() -> None:
    for weights, carried in (((-0.1,), (0.0,)), ((0.1,), (-1.0,)), ((0.1,), ())):
        with pytest.raises(UserError, match="two lists of the same length, without negative numbers"):
            GeometricEnsemblePolicy(classes=3, weights=weights, carried=carried)
