"""Who leaves a folded network when, against a plain simulation of every group."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eerun.folding import GroupExit, leave_in_groups, passes_needed

RULES = list(GroupExit)

SCORES = st.integers(1, 14).flatmap(
    lambda images: st.integers(1, 4).flatmap(
        lambda exits: arrays(np.float32, (images, exits), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
    )
)


def simulate(
    scores: np.ndarray, thresholds: list[float | None], fold: int, rule: GroupExit
) -> tuple[list[int], list[int]]:
    """Group after group, exit after exit, image after image."""
    last, answered, left = scores.shape[1] - 1, [], []
    for start in range(0, len(scores), fold):
        group = scores[start : start + fold]
        needed = {GroupExit.ALL: len(group), GroupExit.MAJORITY: len(group) // 2 + 1, GroupExit.FIRST: 1}[rule]
        first: list[int | None] = [None] * len(group)
        gone = last
        for exit_ in range(last):
            threshold = thresholds[exit_]
            for image, row in enumerate(group):
                if threshold is not None and first[image] is None and row[exit_] >= threshold:
                    first[image] = exit_
            if sum(each is not None for each in first) >= needed:
                gone = exit_
                break
        answered += [gone if each is None else each for each in first]
        left.append(gone)
    return answered, left


@given(scores=SCORES, fold=st.sampled_from([2, 3, 4, 8]), rule=st.sampled_from(RULES), data=st.data())
def test_groups_leave_as_simulated(scores: np.ndarray, fold: int, rule: GroupExit, data: st.DataObject) -> None:
    values = st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0]))
    thresholds = data.draw(st.lists(values, min_size=scores.shape[1] - 1, max_size=scores.shape[1] - 1))
    found = leave_in_groups(scores, thresholds, fold=fold, rule=rule)
    answered, left = simulate(scores, thresholds, fold, rule)
    assert found.answered.tolist() == answered
    assert found.left.tolist() == left


@given(scores=SCORES, rule=st.sampled_from(RULES))
def test_an_image_by_itself_leaves_where_it_passes(scores: np.ndarray, rule: GroupExit) -> None:
    found = leave_in_groups(scores, [0.5] * (scores.shape[1] - 1), fold=1, rule=rule)
    assert found.answered.tolist() == found.left.tolist()


def test_a_score_that_is_no_number_never_passes() -> None:
    scores = np.array([[np.nan, 0.0], [1.0, 0.0]], np.float32)
    assert leave_in_groups(scores, [0.5], fold=2, rule=GroupExit.ALL).answered.tolist() == [1, 0]


@pytest.mark.parametrize(("rule", "needed"), [("all", [4, 3, 1]), ("majority", [3, 2, 1]), ("first", [1, 1, 1])])
def test_how_many_must_have_passed(rule: str, needed: list[int]) -> None:
    assert passes_needed(np.array([4, 3, 1]), GroupExit(rule)).tolist() == needed
