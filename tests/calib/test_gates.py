"""Gates lose at most what they may."""

import numpy as np
from calib.synthetic_exits import tiny_tables
from hypothesis import given
from hypothesis import strategies as st

from eecalib.gates import gate_hits


@given(tiny_tables(exits=(2, 4)), st.sampled_from([0.0, 0.1, 0.5]))
def test_a_gate_is_the_lowest_that_loses_little(table, loss):
    right, hits = table.correct, gate_hits(table, loss)

    def fits(head, rows):
        return right[rows, -1].sum() - right[rows, head].sum() <= loss * right[rows, -1].sum()

    for head in range(table.exits - 1):
        fitting = [t for t in np.unique(table.scores[:, head]) if fits(head, table.scores[:, head] >= t)]
        expected = table.scores[:, head] >= min(fitting) if fitting else np.zeros(table.samples, bool)
        assert np.array_equal(hits[head], expected)
