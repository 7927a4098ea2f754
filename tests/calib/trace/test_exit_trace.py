"""A trace of logits: its sizes, its parts, and what is refused."""

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_trace

from eecalib.trace import ExitTrace
from eengines.errors import DataError, UserError

TRACE = synthetic_trace(20, exits=4, classes=3, seed=0)


def test_sizes():
    assert (TRACE.samples, TRACE.exits, TRACE.classes) == (20, 4, 3)


def test_some_rows():
    rows = np.array([7, 2, 7])
    few = TRACE.rows(rows)
    np.testing.assert_array_equal(few.logits, TRACE.logits[[7, 2, 7]])
    np.testing.assert_array_equal(few.labels, TRACE.labels[[7, 2, 7]])
    assert ExitTrace(logits=TRACE.logits, labels=None).rows(rows).labels is None


@pytest.mark.parametrize("kept", [(), (1,), (0, 2), (0, 1, 2)])
def test_some_exits_and_always_the_final_one(kept):
    few = TRACE.of_exits(kept)
    np.testing.assert_array_equal(few.logits, TRACE.logits[:, [*kept, 3]])
    np.testing.assert_array_equal(few.labels, TRACE.labels)
    assert (few is TRACE) == (len(kept) == 3), "all exits are not copied"


@pytest.mark.parametrize("logits", [np.zeros((2, 3), np.float32), np.zeros((2, 3, 4))])
def test_logits_of_another_shape_or_type_are_refused(logits):
    with pytest.raises(UserError, match=r"expected float32 \[samples, exits, classes\]"):
        ExitTrace(logits=logits, labels=None)


@pytest.mark.parametrize("labels", [np.zeros(3, np.int64), np.zeros(2, np.int32), np.zeros((2, 1), np.int64)])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(UserError, match=r"expected int64 \[2\]"):
        ExitTrace(logits=np.zeros((2, 3, 4), np.float32), labels=labels)


def test_no_sample_is_refused():
    with pytest.raises(DataError, match="got no sample"):
        ExitTrace(logits=np.zeros((0, 3, 4), np.float32), labels=None)
