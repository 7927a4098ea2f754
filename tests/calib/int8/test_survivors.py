"""The samples that each segment is calibrated on."""

import numpy as np
import pytest
from calib.synthetic_exits import correlated_exits, tiny_tables
from hypothesis import given
from hypothesis import strategies as st

from eecalib.exit_table import ExitTable
from eecalib.int8.survivors import FEWEST_SURVIVORS, survivors_of
from eengines.errors import UserError


def table_of(scores: np.ndarray) -> ExitTable:
    return ExitTable(scores=scores.astype(np.float32), answers=np.zeros(scores.shape, np.int64), labels=None)


def test_they_are_the_samples_that_did_not_leave():
    table = correlated_exits(2000, 3, seed=8)
    thresholds = (0.8, 0.7)
    first, second, third = survivors_of(table, thresholds)
    stays = table.scores[:, 0] < np.float32(0.8)
    assert first.rows.tolist() == list(range(2000))
    assert second.rows.tolist() == np.flatnonzero(stays).tolist()
    assert third.rows.tolist() == np.flatnonzero(stays & (table.scores[:, 1] < np.float32(0.7))).tolist()
    assert not any(s.padded for s in (first, second, third))
    assert third.reached == len(third.rows) < second.reached < 2000


def test_none_lets_nobody_leave():
    everyone = survivors_of(correlated_exits(50, 3, seed=9), (None, None))
    assert [(s.reached, s.padded, len(s.rows)) for s in everyone] == [(50, False, 50)] * 3


def test_too_few_are_filled_up_with_those_that_came_nearest():
    scores = np.zeros((100, 3))
    scores[:, 0] = np.linspace(0, 1, 100)
    # samples 0 to 9 stay at exit 0; of them only 7 stays at exit 1, where the lowest scores are those of 60 to 99
    scores[:, 1] = np.where(np.arange(100) >= 60, 0.1, 0.9)
    scores[7, 1] = 0.4
    _, second, third = survivors_of(table_of(scores), (0.1, 0.5))
    assert (second.reached, second.padded) == (10, True)
    assert second.rows.tolist() == list(range(FEWEST_SURVIVORS))
    assert (third.reached, third.padded) == (1, True)
    assert third.rows.tolist() == [7, *range(60, 60 + FEWEST_SURVIVORS - 1)]


def test_exactly_enough_are_not_filled_up():
    scores = np.ones((80, 2))
    scores[10 : 10 + FEWEST_SURVIVORS, 0] = 0
    last = survivors_of(table_of(scores), (0.5,))[1]
    assert last.rows.tolist() == list(range(10, 10 + FEWEST_SURVIVORS))
    assert not last.padded


@given(tiny_tables(samples=50), st.data())
def test_survivors_are_kept_and_there_are_never_too_few(table, data):
    some = st.none() | st.integers(0, 9).map(lambda level: level / 9)
    thresholds = data.draw(st.lists(some, min_size=table.exits - 1, max_size=table.exits - 1))
    stays = np.ones(table.samples, np.bool_)
    for segment, survivors in enumerate(survivors_of(table, thresholds)):
        if segment and thresholds[segment - 1] is not None:
            stays &= table.scores[:, segment - 1] < np.float32(thresholds[segment - 1])
        rows = survivors.rows.tolist()
        assert rows == sorted(set(rows))
        assert set(np.flatnonzero(stays)) <= set(rows)
        assert survivors.reached == stays.sum()
        assert len(rows) == max(survivors.reached, min(FEWEST_SURVIVORS, table.samples))
        assert survivors.padded == (len(rows) > survivors.reached)


def test_a_wrong_number_of_thresholds_is_refused():
    with pytest.raises(UserError, match="got 1, expected 2"):
        survivors_of(correlated_exits(50, 3, seed=10), (0.5,))
