"""Known values of the accuracy of a bin, and what is refused."""

import numpy as np
import pytest

from eengines.errors import UserError
from eerun.policies import AccuracyBinsPolicy

POLICY = AccuracyBinsPolicy(edges=((0.6, 0.75), ()), accuracy=((0.5, 0.4, 0.9), (0.8,)))


def logits_of(largest: list[float]) -> np.ndarray:
    """Logits of three classes whose largest probability is given."""
    rows = [[p, (1 - p) / 2, (1 - p) / 2] for p in largest]
    return np.log(np.array(rows)).astype(np.float32)


def test_the_score_is_the_accuracy_of_the_bin() -> None:
    score, state = POLICY.score(logits_of([0.4, 0.59, 0.61, 0.74, 0.76, 0.999]), None, exit_index=0)
    np.testing.assert_array_equal(score, np.array([0.5, 0.5, 0.4, 0.4, 0.9, 0.9], np.float32))
    assert score.dtype == np.float32
    assert state == ()


def test_an_edge_belongs_to_the_bin_above() -> None:
    tie = np.zeros((1, 2), np.float32)
    policy = AccuracyBinsPolicy(edges=((0.5,),), accuracy=((0.1, 0.2),))
    assert policy.score(tie, None, exit_index=0)[0] == np.float32(0.2)


def test_one_bin_gives_one_score() -> None:
    score, _ = POLICY.score(logits_of([0.4, 0.9]), None, exit_index=1)
    np.testing.assert_array_equal(score, np.array([0.8, 0.8], np.float32))


def test_the_final_exit_reports_its_largest_probability() -> None:
    score, _ = POLICY.score(logits_of([0.4, 0.9]), None, exit_index=2)
    np.testing.assert_allclose(score, [0.4, 0.9], atol=1e-6)


@pytest.mark.parametrize("exit_index", [0, 1, 2])
def test_what_is_not_a_number_stays_it(exit_index: int) -> None:
    logits = logits_of([0.4, 0.9, 0.5])
    logits[1, 2] = np.nan
    score, _ = POLICY.score(logits, None, exit_index=exit_index)
    np.testing.assert_array_equal(np.isnan(score), [False, True, False])
    assert score.dtype == np.float32


def test_one_accuracy_a_bin() -> None:
    with pytest.raises(UserError, match=r"got edges for \[3\] bins and \[2\] accuracies"):
        AccuracyBinsPolicy(edges=((0.1, 0.2),), accuracy=((0.5, 0.6),))


def test_edges_ascend() -> None:
    with pytest.raises(UserError, match="do not ascend"):
        AccuracyBinsPolicy(edges=((0.3, 0.2),), accuracy=((0.5, 0.6, 0.7),))
