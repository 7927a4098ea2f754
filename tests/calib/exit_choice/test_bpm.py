"""PAME's matrices by hand, and the average latency of a query against one counted query by query."""

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_costs
from hypothesis import given
from hypothesis import strategies as st

from eecalib.exit_choice.bpm import batching_pattern, counts_by_batch, exit_times
from eerun.costs import CostTable

COSTS = CostTable(
    engine="onnxruntime",
    precision="float32",
    device="test",
    buckets=(1, 2, 4),
    segment_ms=((1.0, 1.5, 2.0), (2.0, 3.0, 5.0), (3.0, 4.0, 8.0)),
    whole_ms=(4.0, 6.5, 12.0),
    move_ms=(0.0, 0.0),
)
"""An exit costs 1 ms for one or two samples, and 1.5 ms for four."""


def test_the_pattern_by_hand():
    moves_on = np.array([[1, 0], [1, 0], [0, 1], [1, 0], [0, 0], [1, 0], [1, 1]], np.bool_)
    assert counts_by_batch(moves_on, batch=3).tolist() == [[2, 1], [2, 0]]
    assert batching_pattern(moves_on, batch=3).tolist() == [[0, 0, 1, 0], [0.5, 0.5, 0, 0]]


def test_fewer_samples_than_a_batch_are_one():
    assert batching_pattern(np.array([[True], [False]]), batch=4).tolist() == [[0, 1, 0, 0, 0]]


def test_times_by_hand():
    times = exit_times(COSTS, batch=4)
    assert times.exits == (0, 1)
    np.testing.assert_allclose(times.to_exit_ms, [[0, 1, 1.5, 2, 2], [0, 2, 3.5, 5.5, 5.5]])
    np.testing.assert_allclose(times.behind_ms, [[0, 4, 6, 10, 11.5], [0, 3, 4, 7, 8]])
    np.testing.assert_allclose(times.without_ms, [0, 4, 6.5, 10.5, 12])


def test_times_behind_an_exit_that_is_kept():
    times = exit_times(COSTS, batch=4, kept=(0,))
    assert times.exits == (1,)
    np.testing.assert_allclose(times.to_exit_ms, [[0, 2, 3, 5, 5]])
    np.testing.assert_allclose(times.behind_ms, [[0, 3, 4, 7, 8]])
    np.testing.assert_allclose(times.without_ms, [0, 4, 6, 10, 11.5])
    assert exit_times(COSTS, batch=4, kept=(0, 1)).exits == ()


def test_the_critical_ratio_by_hand():
    # Exit 0: 2 + 10 = 12 ms with three that move on, 13.5 with four. Exit 1: 5.5 + 4 = 9.5 with two, 12.5 with three.
    times = exit_times(COSTS, batch=4)
    np.testing.assert_array_equal(times.critical_ratio(12.0), [0.75, 0.5])
    np.testing.assert_array_equal(times.critical_ratio(13.5), [1.0, 1.0])
    np.testing.assert_array_equal(times.critical_ratio(5.0), [0.0, np.nan])


def test_full_batches_give_the_published_average():
    times = exit_times(COSTS, batch=4)
    pattern = np.array([[0.1, 0.2, 0.0, 0.3, 0.4], [0.0, 0.5, 0.5, 0.0, 0.0]])
    share = np.arange(5) / 4
    published = [
        sum(pattern[e] * ((1 - share) * times.to_exit_ms[e, 4] + share * (times.to_exit_ms[e, 4] + times.behind_ms[e])))
        for e in range(2)
    ]
    full = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
    np.testing.assert_allclose(times.average_ms(full, pattern), published)
    assert times.average_without_ms(full) == 12


@given(seed=st.integers(0, 200), batch=st.integers(1, 8))
def test_the_average_is_that_of_the_queries_counted_one_by_one(seed, batch):
    random = np.random.default_rng(seed)
    coming = random.random((5 * batch, 1)) < 0.7
    moves_on = coming & (random.random((5 * batch, 2)) < 0.5)
    times = exit_times(synthetic_costs(4), batch=batch, kept=(0,))
    found = times.average_ms(batching_pattern(coming, batch=batch)[0], batching_pattern(moves_on, batch=batch))
    come, go = counts_by_batch(coming, batch=batch)[:, 0], counts_by_batch(moves_on, batch=batch)
    for candidate in range(2):
        waited = 0.0
        for sample in np.flatnonzero(coming):
            here = sample // batch
            waited += times.to_exit_ms[candidate, come[here]]
            waited += moves_on[sample, candidate] * times.behind_ms[candidate, go[here, candidate]]
        assert found[candidate] == pytest.approx(waited / len(coming))
    without = sum(times.without_ms[come[sample // batch]] for sample in np.flatnonzero(coming))
    assert times.average_without_ms(batching_pattern(coming, batch=batch)[0]) == pytest.approx(without / len(coming))
