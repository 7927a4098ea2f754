"""What counts as right in a recording: the labels of the data, or what float32 answers."""

import numpy as np
import pytest
from calib.synthetic_maps import IGNORED, map_trace
from calib.synthetic_traces import synthetic_trace

from eecalib.trace import ExitTrace, SplitRecording

TRACE = synthetic_trace(40, exits=3, classes=4, seed=1)
FLOAT32 = np.where(np.arange(40) % 4, TRACE.labels, (TRACE.labels + 1) % 4)


def split(trace=TRACE, float32=FLOAT32):
    return SplitRecording(trace=trace, float32=float32, sha256="0" * 64)


def test_against_labels_nothing_changes():
    recorded = split()
    assert recorded.against(agreement=False) is recorded
    assert int(recorded.reference_right.sum()) == 30
    assert recorded.units.tolist() == [1] * 40
    assert recorded.ignored is None


@pytest.mark.parametrize("labels", [TRACE.labels, None])
def test_against_float32_its_answers_are_the_labels(labels):
    recorded = split(ExitTrace(logits=TRACE.logits, labels=labels), FLOAT32.astype(np.int32))
    agreed = recorded.against(agreement=labels is not None)
    np.testing.assert_array_equal(agreed.trace.labels, FLOAT32)
    assert agreed.reference_right.tolist() == [1] * 40


def test_maps_count_pixels():
    trace = map_trace(12, seed=2)
    recorded = split(trace, trace.answers[:, -1])
    counted = trace.labels != IGNORED
    np.testing.assert_array_equal(recorded.units, counted.sum(axis=(1, 2)))
    right = (trace.answers[:, -1] == trace.labels) & counted
    np.testing.assert_array_equal(recorded.reference_right, right.sum(axis=(1, 2)))
    agreed = recorded.against(agreement=True)
    assert agreed.ignored is None
    assert agreed.units.tolist() == [15] * 12
    np.testing.assert_array_equal(agreed.reference_right, agreed.units)


def test_fewer_exits():
    few = split().of_exits((1,))
    np.testing.assert_array_equal(few.trace.logits, TRACE.logits[:, 1:])
    np.testing.assert_array_equal(few.float32, FLOAT32)
