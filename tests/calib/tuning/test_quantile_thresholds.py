"""Thresholds by quantiles of those that are still there."""

import numpy as np
from calib.synthetic_exits import correlated_exits
from hypothesis import given, settings
from hypothesis import strategies as st

from eecalib.replay import leave_at
from eecalib.tuning.eenet.quantile_thresholds import EVERYBODY, Quantiles

SCORES = correlated_exits(500, 4, seed=2).scores


@settings(max_examples=80, deadline=None)
@given(numbers=st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda x: sum(x) > 0.1))
def test_shares_so_far_leave_rounded_up(numbers: list[float]) -> None:
    shares = np.array(numbers) / sum(numbers)
    quantiles = Quantiles(SCORES)
    index = leave_at(SCORES, quantiles.thresholds(shares))
    np.testing.assert_array_equal(index, quantiles.leave(shares))
    gone = np.cumsum(np.bincount(index, minlength=4))[:-1]
    wanted = np.cumsum(shares)[:-1] * 500
    assert (gone >= wanted - 1e-6).all()
    assert (gone < wanted + 1).all()


def test_the_highest_of_those_still_there_leave() -> None:
    scores = np.array([[0.9, 0.1, 0], [0.8, 0.9, 0], [0.2, 0.95, 0], [0.1, 0.3, 0]], np.float32)
    quantiles = Quantiles(scores)
    np.testing.assert_array_equal(quantiles.leave(np.array([0.25, 0.5, 0.25])), [0, 1, 1, 2])
    first, second = quantiles.thresholds(np.array([0.25, 0.5, 0.25]))
    assert 0.8 < first <= 0.9
    assert 0.3 < second <= 0.9


def test_nobody_and_everybody() -> None:
    quantiles = Quantiles(SCORES)
    assert quantiles.thresholds(np.array([0.0, 0.0, 0.0, 1.0])) == (None, None, None)
    assert quantiles.thresholds(np.array([1.0, 0.0, 0.0, 0.0])) == (EVERYBODY, None, None)
    lower = np.full((3, 4), -1e6, np.float32)
    assert (leave_at(lower, (EVERYBODY, None, None)) == 0).all()


def test_equal_scores_leave_together() -> None:
    scores = np.array([[0.5, 0], [0.5, 0], [0.5, 0], [0.1, 0]], np.float32)
    (threshold,) = Quantiles(scores).thresholds(np.array([0.25, 0.75]))
    assert (leave_at(scores, (threshold,)) == [0, 0, 0, 1]).all()
