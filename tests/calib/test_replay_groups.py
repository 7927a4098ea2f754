"""Replay of a folded network's table: images are answered, groups leave."""

from dataclasses import replace

import numpy as np
import pytest
from calib.synthetic_exits import correlated_exits, tiny_tables
from calib.synthetic_groups import grouped_tables, leave_group_by_group
from hypothesis import given
from hypothesis import strategies as st

from eecalib.agreement import answers_kept
from eecalib.int8.survivors import FEWEST_SURVIVORS, survivors_of
from eecalib.replay import leave, leave_at, replay
from eecalib.whole_groups import dealt_groups, images_of, whole_groups
from eengines.errors import DataError, UserError
from eerun.data import Samples
from eerun.folding import GroupExit

LEVEL = st.none() | st.integers(-1, 10).map(lambda value: value / 9)


@st.composite
def tables_with_thresholds(draw):
    table = draw(grouped_tables(exits=(1, 4)))
    return table, tuple(draw(st.lists(LEVEL, min_size=table.exits - 1, max_size=table.exits - 1)))


@given(tables_with_thresholds())
def test_it_is_what_a_loop_over_groups_does(case):
    table, thresholds = case
    result = replay(table, thresholds)
    answered, left = leave_group_by_group(table, thresholds)
    np.testing.assert_array_equal(result.exit_index, answered)
    np.testing.assert_array_equal(result.left_at, left)
    assert result.shares == tuple(float((answered == exit_).mean()) for exit_ in range(table.exits))
    assert result.left == tuple(float((left == exit_).mean()) for exit_ in range(table.exits))
    assert result.reached == tuple(float((left >= exit_).mean()) for exit_ in range(table.exits))
    said = table.answers[np.arange(table.samples), answered]
    assert result.agreement == pytest.approx((said == table.answers[:, -1]).mean())
    if table.labels is not None:
        assert result.accuracy == pytest.approx((said == table.labels).mean())


@given(tiny_tables(), st.data())
def test_samples_are_groups_of_one(table, data):
    thresholds = data.draw(st.lists(LEVEL, min_size=table.exits - 1, max_size=table.exits - 1))
    result = replay(table, thresholds)
    np.testing.assert_array_equal(result.exit_index, leave_at(table.scores, thresholds))
    np.testing.assert_array_equal(result.left_at, result.exit_index)
    assert result.left == result.shares
    for rule in GroupExit:
        gone = leave(table.scores, thresholds, fold=1, rule=rule)
        np.testing.assert_array_equal(gone.answered, result.exit_index)


def test_groups_keep_together():
    table = replace(correlated_exits(12, 3, seed=0), fold=4)
    chosen = table.rows(images_of(np.array([2, 0]), 4))
    np.testing.assert_array_equal(chosen.scores, table.scores[[8, 9, 10, 11, 0, 1, 2, 3]])
    assert (chosen.fold, chosen.groups) == (4, 2)
    for images in ([0, 1, 2], [1, 2, 3, 4], [0, 1, 3, 2], [0, 1, 2, 3, 4]):
        with pytest.raises(UserError, match="not whole groups of 4"):
            table.rows(np.array(images))
    with pytest.raises(UserError, match="got 12 samples for groups of 5"):
        replace(table, fold=5)


def test_a_split_is_cut_to_whole_groups():
    samples = Samples(inputs={"x": np.arange(11)}, labels=np.arange(11))
    cut, left_out = whole_groups(samples, 4, where="split 'tune'")
    assert (len(cut), left_out) == (8, 3)
    assert cut.labels is not None
    np.testing.assert_array_equal(cut.labels, np.arange(8))
    assert whole_groups(samples, 1, where="split 'tune'") == (samples, 0)
    with pytest.raises(DataError, match="split 'tune': got 11 images, expected at least one group of 12"):
        whole_groups(samples, 12, where="split 'tune'")


def test_images_that_come_class_after_class_are_dealt_into_mixed_groups():
    labels = np.repeat(np.arange(5), 41)
    samples = Samples(inputs={"x": np.arange(205)}, labels=labels)
    dealt, left_out = dealt_groups(samples, 4, seed=3, where="split 'tune'")
    assert (len(dealt), left_out) == (204, 1)
    assert dealt.labels is not None
    np.testing.assert_array_equal(dealt.labels, labels[dealt.inputs["x"]])
    assert len(set(dealt.inputs["x"].tolist())) == 204
    alike = [len(set(group.tolist())) == 1 for group in dealt.labels.reshape(-1, 4)]
    assert np.mean(alike) < 0.1
    again, _ = dealt_groups(samples, 4, seed=3, where="split 'tune'")
    np.testing.assert_array_equal(again.inputs["x"], dealt.inputs["x"])
    other, _ = dealt_groups(samples, 4, seed=4, where="split 'tune'")
    assert not np.array_equal(other.inputs["x"], dealt.inputs["x"])
    assert dealt_groups(samples, 1, seed=3, where="split 'tune'") == (samples, 0)


def test_answers_are_compared_where_images_are_answered():
    """One image passes the first exit, its group goes on: the first exit's answer counts."""
    scores = np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]], np.float32)
    answers = np.array([[1, 2, 3], [4, 5, 6]])
    reference = replace(correlated_exits(2, 3, seed=0), scores=scores, answers=answers, labels=None, fold=2)
    other = replace(reference, answers=np.array([[1, 0, 0], [0, 5, 0]]))
    assert answers_kept(other, reference, (0.5, 0.5)) == 1.0
    assert answers_kept(other, replace(reference, rule=GroupExit.FIRST), (0.5, 0.5)) == 0.5


def test_segments_are_calibrated_on_groups():
    table = replace(correlated_exits(1600, 3, seed=3), fold=4)
    thresholds = (0.75, 0.7)
    left = replay(table, thresholds).left_at
    for segment, found in enumerate(survivors_of(table, thresholds)):
        assert found.rows.tolist() == np.flatnonzero(left >= segment).tolist()
        assert (found.reached, found.padded) == (len(found.rows), False)
    few = survivors_of(table, (0.0, 0.0))[1]
    assert (few.reached, few.padded, len(few.rows)) == (0, True, FEWEST_SURVIVORS)
    worst = table.scores[:, 0].reshape(-1, 4).min(axis=1)
    assert worst[few.rows].max() <= np.delete(worst, few.rows).min()
