"""Known values of the patience score and its state."""

import numpy as np
import pytest

from eengines.errors import UserError
from eerun.policies.base import F32, State
from eerun.policies.patience import PatiencePolicy


def one_hot(labels: list[int]) -> F32:
    """Return logits `[len(labels), 3]` whose largest is at each label."""
    return np.eye(3, dtype=np.float32)[labels]


def test_counts_equal_predictions_in_a_row() -> None:
    predictions = [[0, 1, 2, 2], [0, 1, 1, 2], [0, 2, 1, 0], [0, 2, 1, 0]]
    expected = [[0, 0, 0, 0], [1, 1, 0, 1], [2, 0, 1, 0], [3, 1, 2, 1]]
    state: State | None = None
    for labels, count in zip(predictions, expected, strict=True):
        score, state = PatiencePolicy().score(one_hot(labels), state, exit_index=0)
        np.testing.assert_array_equal(score, np.array(count, np.float32))
        np.testing.assert_array_equal(state[0], labels)
        np.testing.assert_array_equal(state[1], score)


def test_state_is_what_is_declared() -> None:
    score, first = PatiencePolicy().score(one_hot([0, 1]), None, exit_index=0)
    again, second = PatiencePolicy().score(one_hot([0, 1]), first, exit_index=0)
    assert score.dtype == again.dtype == np.float32
    for state in (first, second):
        assert [(array.dtype.name, array.shape[1:]) for array in state] == [
            (spec.dtype, spec.shape) for spec in PatiencePolicy().state
        ]


def test_a_tie_goes_to_the_first_class() -> None:
    _, state = PatiencePolicy().score(np.array([[1, 1, 0], [0, 1, 1], [2, 2, 2]], np.float32), None, exit_index=0)
    np.testing.assert_array_equal(state[0], [0, 1, 0])


def test_the_given_state_is_not_changed() -> None:
    _, state = PatiencePolicy().score(one_hot([0, 1]), None, exit_index=0)
    before = tuple(array.copy() for array in state)
    PatiencePolicy().score(one_hot([0, 2]), state, exit_index=0)
    for array, copy in zip(state, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    "state",
    [
        (),
        (np.zeros(1, np.int64), np.zeros(1, np.float32)),
        (np.zeros(2, np.int32), np.zeros(2, np.float32)),
        (np.zeros(2, np.float32), np.zeros(2, np.int64)),
    ],
    ids=["empty", "one row", "int32", "swapped"],
)
def test_refuses_a_state_of_other_rows_or_types(state: State) -> None:
    with pytest.raises(UserError, match="policy patience: got state"):
        PatiencePolicy().score(one_hot([0, 1]), state, exit_index=0)


def test_refuses_one_class() -> None:
    with pytest.raises(UserError, match="policy patience: got logits with 1 classes"):
        PatiencePolicy().score(np.zeros((4, 1), np.float32), None, exit_index=0)
