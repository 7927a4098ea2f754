"""How alike two tables of exits answer."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eecalib.agreement import answers_kept, exits_agreement
from eecalib.exit_table import ExitTable


def table(answers, scores=None):
    answers = np.array(answers, np.int64)
    scores = np.zeros(answers.shape, np.float32) if scores is None else np.array(scores, np.float32)
    return ExitTable(scores=scores, answers=answers, labels=None)


def test_by_exit():
    assert exits_agreement(table([[0, 1], [2, 3]]), table([[0, 0], [2, 3]])) == (1.0, 0.5)


def test_only_the_exit_where_a_sample_leaves_in_the_reference_counts():
    scores = [[0.9, 1], [0.1, 1], [0.6, 1]]
    reference = table([[0, 0], [1, 1], [2, 2]], scores)
    other = table([[0, 9], [9, 1], [9, 2]], [[0, 0]] * 3)
    assert answers_kept(other, reference, (0.5,)) == 2 / 3
    assert answers_kept(other, reference, (None,)) == 2 / 3
    assert answers_kept(other, reference, (0.8,)) == 1.0


@given(seed=st.integers(0, 1000), threshold=st.one_of(st.none(), st.floats(0, 1)))
def test_a_table_agrees_with_itself_and_kept_is_a_mix_of_exits(seed, threshold):
    random = np.random.default_rng(seed)
    first, second = (table(random.integers(0, 3, (40, 2)), random.random((40, 2))) for _ in range(2))
    assert exits_agreement(first, first) == (1.0, 1.0)
    assert answers_kept(first, first, (threshold,)) == 1.0
    same = first.answers == second.answers
    assert same.all(axis=1).mean() <= answers_kept(first, second, (threshold,)) <= same.any(axis=1).mean()
