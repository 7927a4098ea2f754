"""An exit table refuses what cannot be tuned on, and knows its reference."""

import numpy as np
import pytest

from eecalib.exit_table import ExitTable
from eengines.errors import DataError, UserError

SCORES = np.array([[0.5, 0.6], [0.7, 0.8]], np.float32)
ANSWERS = np.array([[0, 1], [2, 2]], np.int64)
LABELS = np.array([0, 2], np.int64)


def test_labels_are_the_reference():
    table = ExitTable(scores=SCORES, answers=ANSWERS, labels=LABELS)
    assert table.correct.tolist() == [[True, False], [True, True]]
    assert table.against(agreement=True).tolist() == [[False, True], [True, True]]


def test_without_labels_the_final_exit_is_the_reference():
    table = ExitTable(scores=SCORES, answers=ANSWERS, labels=None)
    assert table.reference.tolist() == [1, 2]
    assert np.array_equal(table.correct, table.against(agreement=True))


def test_rows_keeps_samples_together():
    part = ExitTable(scores=SCORES, answers=ANSWERS, labels=LABELS).rows(np.array([1]))
    assert (part.samples, part.exits) == (1, 2)
    assert part.scores.tolist() == SCORES[1:].tolist()
    assert part.reference.tolist() == [2]


@pytest.mark.parametrize(
    ("scores", "answers", "labels", "where"),
    [
        (SCORES.astype(np.float64), ANSWERS, LABELS, "scores"),
        (SCORES[0], ANSWERS, LABELS, "scores"),
        (SCORES, ANSWERS[:, :1], LABELS, "answers"),
        (SCORES, ANSWERS.astype(np.int32), LABELS, "answers"),
        (SCORES, ANSWERS, LABELS[:1], "labels"),
        (SCORES, ANSWERS, LABELS[:, None], "labels"),
    ],
)
def test_wrong_arrays_are_refused(scores, answers, labels, where):
    with pytest.raises(UserError, match=f"exit table: {where}: got .* expected"):
        ExitTable(scores=scores, answers=answers, labels=labels)


def test_a_score_that_is_not_a_number_is_refused():
    scores = SCORES.copy()
    scores[1, 0] = np.nan
    with pytest.raises(DataError, match="sample 1 at exit 0"):
        ExitTable(scores=scores, answers=ANSWERS, labels=LABELS)


def test_an_empty_table_is_refused():
    with pytest.raises(DataError, match="0 samples"):
        ExitTable(scores=SCORES[:0], answers=ANSWERS[:0], labels=None)
