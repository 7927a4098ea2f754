"""Midpoints decide the same, further from the samples."""

import numpy as np
from calib.synthetic_exits import tiny_tables
from hypothesis import given
from hypothesis import strategies as st

from eecalib.replay import leave, leave_at
from eecalib.thresholds.midpoints import at_midpoints
from eerun.folding import GroupExit


@given(tiny_tables(), st.data())
def test_decisions_stay(table, data):
    levels = st.none() | st.integers(-1, 10).map(lambda level: level / 9)
    thresholds = data.draw(st.lists(levels, min_size=table.exits - 1, max_size=table.exits - 1))
    moved = at_midpoints(table.scores, thresholds)
    assert np.array_equal(leave_at(table.scores, moved), leave_at(table.scores, thresholds))
    assert all(t is None or float(np.float32(t)) == t for t in moved)


def test_the_middle_of_the_samples_that_reach_the_exit():
    # the sample with 0.5 at exit 1 has left before, so the gap there is from 0.25 to 0.75
    scores = np.array([[0.9, 0.5, 0], [0.1, 0.75, 0], [0.2, 0.25, 0]], np.float32)
    first = float(np.float32((float(np.float32(0.9)) + float(np.float32(0.2))) / 2))
    assert at_midpoints(scores, [0.9, 0.75]) == (first, 0.5)


def test_neighbours_in_float32_keep_the_upper_one():
    low = np.float32(0.5)
    high = np.nextafter(low, np.float32(1))
    assert at_midpoints(np.array([[low, 0], [high, 0]], np.float32), [float(high)]) == (float(high),)


def test_infinite_scores():
    scores = np.array([[np.inf, 0], [-np.inf, 0]], np.float32)
    assert at_midpoints(scores, [0.0]) == (np.inf,)
    assert leave_at(scores, at_midpoints(scores, [0.0])).tolist() == [0, 1]


def test_an_exit_that_nobody_takes_is_closed_and_one_that_all_take_keeps_its_lowest_score():
    scores = np.array([[0.25, 0.5, 0], [0.5, 0.25, 0]], np.float32)
    assert at_midpoints(scores, [0.9, 0.1]) == (None, 0.25)


def test_where_all_images_of_groups_pass_rounding_keeps_none_of_them():
    scores = np.array([[0.5, 0], [0.75, 0], [1.0, 0], [0.875, 0]], np.float32)
    (threshold,) = at_midpoints(scores, [0.5], fold=2)
    assert threshold == 0.5 - 0.5 / 4
    (threshold,) = at_midpoints(np.full((4, 2), 0.5, np.float32), [0.5], fold=2)
    assert 0.499 < threshold < np.nextafter(np.float32(0.5), np.float32(0))
    rounded = np.nextafter(scores, np.float32(-1))
    for moved, left in ((at_midpoints(scores, [0.5], fold=2), [0, 0]), ((0.5,), [1, 0])):
        assert leave(rounded, moved, fold=2, rule=GroupExit.ALL).left.tolist() == left


def test_where_all_images_pass_scores_that_are_infinite_stay():
    scores = np.array([[-np.inf, 0], [0.5, 0]], np.float32)
    assert at_midpoints(scores, [-np.inf], fold=2) == (-np.inf,)
    lowest = float(np.finfo(np.float32).min)
    assert at_midpoints(np.full((2, 2), lowest, np.float32), [lowest], fold=2) == (lowest,)
