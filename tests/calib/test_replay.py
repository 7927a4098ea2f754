"""Replay does what a runtime does, sample by sample."""

import numpy as np
import pytest
from calib.synthetic_exits import tiny_tables
from hypothesis import given
from hypothesis import strategies as st

from eecalib.exit_table import ExitTable
from eecalib.replay import replay
from eengines.errors import UserError


@st.composite
def tables_with_thresholds(draw):
    table = draw(tiny_tables())
    threshold = st.none() | st.integers(-1, 10).map(lambda level: level / 9)
    return table, draw(st.lists(threshold, min_size=table.exits - 1, max_size=table.exits - 1))


def leave_one_by_one(table, thresholds):
    """The definition, as a loop."""
    index = []
    for row in table.scores:
        exit_ = 0
        while exit_ < len(thresholds):
            threshold = thresholds[exit_]
            if threshold is not None and row[exit_] >= np.float32(threshold):
                break
            exit_ += 1
        index.append(exit_)
    return index


@given(tables_with_thresholds())
def test_each_sample_leaves_at_the_first_exit_that_it_may(case):
    table, thresholds = case
    result = replay(table, thresholds)
    assert result.exit_index.dtype == np.int32
    assert result.exit_index.tolist() == leave_one_by_one(table, thresholds)


@given(tables_with_thresholds())
def test_shares_and_qualities_are_those_of_the_samples(case):
    table, thresholds = case
    result = replay(table, thresholds)
    index = result.exit_index
    said = table.answers[np.arange(table.samples), index]
    assert sum(result.shares) == pytest.approx(1)
    for exit_ in range(table.exits):
        here = index == exit_
        assert result.shares[exit_] == here.mean()
        assert result.reached[exit_] == (index >= exit_).mean()
        agrees = (said == table.answers[:, -1])[here]
        assert result.exit_agreement[exit_] == (agrees.mean() if here.any() else None)
        if table.labels is None or not here.any():
            assert result.exit_accuracy[exit_] is None
        else:
            assert result.exit_accuracy[exit_] == (said == table.labels)[here].mean()
    assert result.agreement == (said == table.answers[:, -1]).mean()
    assert (result.accuracy is None) == (result.accuracy_final is None) == (table.labels is None)


@given(tiny_tables())
def test_without_thresholds_everybody_runs_to_the_end(table):
    result = replay(table, [None] * (table.exits - 1))
    assert result.reached == (1.0,) * table.exits
    assert result.agreement == 1
    assert result.accuracy == result.accuracy_final


@given(tables_with_thresholds(), st.data())
def test_a_lower_threshold_never_sends_more_samples_on(case, data):
    table, thresholds = case
    if not thresholds:
        return
    exit_ = data.draw(st.integers(0, len(thresholds) - 1))
    lower = list(thresholds)
    lower[exit_] = (10 if lower[exit_] is None else lower[exit_]) - 0.2
    before, after = replay(table, thresholds).reached, replay(table, lower).reached
    assert all(less <= more for less, more in zip(after, before, strict=True))


def test_a_threshold_is_rounded_to_float32_as_at_run_time():
    table = ExitTable(scores=np.array([[0.1, 0]], np.float32), answers=np.zeros((1, 2), np.int64), labels=None)
    assert replay(table, [0.1]).exit_index.tolist() == [0]
    assert replay(table, [float(np.nextafter(np.float32(0.1), np.float32(1)))]).exit_index.tolist() == [1]
    assert replay(table, [1e300]).exit_index.tolist() == [1]


@pytest.mark.parametrize("thresholds", [[], [0.5, 0.5], [float("nan")]])
def test_thresholds_that_do_not_fit_are_refused(thresholds):
    table = ExitTable(scores=np.zeros((1, 2), np.float32), answers=np.zeros((1, 2), np.int64), labels=None)
    with pytest.raises(UserError, match="thresholds"):
        replay(table, thresholds)
