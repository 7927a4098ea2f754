"""Thresholds are raised until those that leave are answered well."""

import numpy as np
import pytest
from calib.synthetic_exits import tiny_tables
from hypothesis import given
from hypothesis import strategies as st

from eecalib.composition.precision_floor import raise_to_precision
from eecalib.replay import leave_at


@given(tiny_tables(exits=(2, 4)), st.floats(0, 1), st.data())
def test_every_exit_is_precise_enough(table, least, data):
    options = [None, *np.unique(table.scores).tolist()]
    thresholds = tuple(data.draw(st.sampled_from(options)) for _ in range(table.exits - 1))
    good = table.correct
    raised = raise_to_precision(table.scores, good, thresholds, least)
    index = leave_at(table.scores, raised)
    for exit_, (before, after) in enumerate(zip(thresholds, raised, strict=True)):
        leaving = index == exit_
        assert good[leaving, exit_].sum() >= least * leaving.sum()
        assert after is None or (before is not None and after >= before)


def test_what_is_precise_stays_and_what_cannot_be_is_closed():
    scores = np.array([[0.9, 1], [0.8, 1], [0.7, 1], [0.6, 1]], np.float32)
    good = np.array([[1, 1], [1, 1], [0, 1], [0, 1]], np.int64)
    assert raise_to_precision(scores, good, (0.75,), 0.9) == (0.75,)
    assert raise_to_precision(scores, good, (0.5,), 0.9) == (pytest.approx(0.8),)
    assert raise_to_precision(scores, good, (0.5,), 0.6) == (pytest.approx(0.7),)
    assert raise_to_precision(scores, 1 - good, (0.5,), 0.9) == (None,)
    assert raise_to_precision(scores, good, (None,), 1.0) == (None,)
