"""The samples that the benchmark of tuning searches on: all that were recorded, and no two the same."""

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_data

from benchmarks.tuning import joined

PARTS = [synthetic_data(count, exits=3, classes=4, seed=seed) for seed, count in enumerate((60, 40, 20))]


@pytest.mark.parametrize(("samples", "recorded"), [(150, 120), (120, 120), (50, 50)])
def test_no_two_rows_are_the_same(samples, recorded):
    data, found = joined(PARTS, samples)
    assert (data.samples, found) == (samples, recorded)
    assert len(np.unique(data.trace.logits.reshape(samples, -1), axis=0)) == samples
    known = {tuple(row): (label, right) for part in PARTS for row, label, right in rows_of(part)}
    assert sum(tuple(row) in known for row, _, _ in rows_of(data)) == recorded
    assert all(known[tuple(row)] == (label, right) for row, label, right in rows_of(data) if tuple(row) in known)


def test_rows_that_are_taken_again_are_nearly_those_that_were_recorded():
    data, recorded = joined(PARTS, 150)
    every = np.concatenate([part.trace.logits for part in PARTS]).reshape(120, -1)
    labels = np.concatenate([part.trace.labels for part in PARTS])
    for row, label in zip(data.trace.logits[recorded:].reshape(30, -1), data.trace.labels[recorded:], strict=True):
        distance = np.abs(every - row).max(axis=1)
        assert 0 < distance.min() < 0.06 * every.std()
        assert labels[distance.argmin()] == label


def rows_of(data):
    """Every row of logits with its label and what float32 has right."""
    return zip(data.trace.logits.reshape(data.samples, -1), data.trace.labels, data.reference_right, strict=True)
