"""Streaming histograms: exactly the same whatever the batches and the order, and right."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eecalib.int8.histogram import BINS, Histogram
from eengines.errors import DataError, UserError

LARGEST = float(np.finfo(np.float32).max)

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
arrays = hnp.arrays(np.float32, st.integers(0, 40), elements=floats)


def histogram_of(*batches: np.ndarray) -> Histogram:
    histogram = Histogram("t")
    for batch in batches:
        histogram.add(batch)
    return histogram


def same(a: Histogram, b: Histogram) -> bool:
    x, y = a.observed(), b.observed()
    facts = (x.values, x.low, x.high, x.bins.width) == (y.values, y.low, y.high, y.bins.width)
    return facts and np.array_equal(x.bins.counts, y.bins.counts)


def plain(values: np.ndarray, width: float, *, sides: int) -> np.ndarray:
    """Count one value after the other, in float64, where the division by a power of two is exact."""
    counts = np.zeros((sides, BINS), np.int64)
    for value in values.astype(np.float64).tolist():
        bin_ = int(abs(value) / width)
        counts[1 if value < 0 and bin_ else 0, bin_] += 1
    return counts


@given(arrays, st.lists(st.integers(0, 40), max_size=4), st.randoms(use_true_random=False))
def test_batches_and_order_change_nothing(values, cuts, random):
    order = list(range(len(values)))
    random.shuffle(order)
    batches = np.split(values[order], sorted(min(cut, len(values)) for cut in cuts))
    assert same(histogram_of(*batches), histogram_of(values))


@given(arrays.filter(len))
def test_counts_are_those_of_plain_counting(values):
    seen = histogram_of(values).observed()
    sides = 2 if values.min() < 0 else 1
    assert np.array_equal(seen.bins.counts, plain(values, seen.bins.width, sides=sides))
    assert (seen.values, seen.low, seen.high) == (len(values), values.min(), values.max())
    magnitudes = np.bincount((np.abs(values.astype(np.float64)) / seen.bins.width).astype(int))
    assert seen.bins.magnitudes.tolist() == magnitudes.tolist()


@given(st.floats(min_value=2.0**-100, max_value=LARGEST, width=32))
def test_at_least_half_of_the_bins_are_in_use(amax):
    bins = histogram_of(np.array([0, amax], np.float32)).observed().bins
    assert BINS // 2 <= len(bins.magnitudes) - 1 < BINS
    assert math.frexp(bins.width)[0] == 0.5


def test_growth_keeps_every_count():
    random = np.random.default_rng(3)
    parts = [(random.normal(size=5000) * scale).astype(np.float32) for scale in (1e-30, 1e-3, 0.7, 1, 40, 1e30)]
    grown = histogram_of(*parts)
    assert same(grown, histogram_of(*reversed(parts)))
    assert grown.observed().bins.counts.sum() == 30000


def test_zeros_do_not_set_the_width():
    zeros, small = np.zeros(5, np.float32), np.full(5, 1e-6, np.float32)
    assert same(histogram_of(zeros, small), histogram_of(small, zeros))
    assert len(histogram_of(zeros, small).observed().bins.magnitudes) > BINS // 2


def test_long_arrays_are_counted_whole_and_any_shape_is_taken():
    values = np.random.default_rng(4).normal(size=(7, 3, 101, 97)).astype(np.float32)
    expected = histogram_of(values.ravel())
    assert same(histogram_of(values.transpose(0, 2, 3, 1)), expected)
    assert same(histogram_of(values[:, ::2], values[:, 1::2]), expected)
    assert np.array_equal(
        expected.observed().bins.counts, plain(values.ravel(), expected.observed().bins.width, sides=2)
    )


@pytest.mark.parametrize(
    "values",
    [[], [0.0], [-0.0, 0.0], [1e-45], [-1e-45], [LARGEST, -LARGEST], [LARGEST, 1e-45], [1.0, 1.0], [-3.0]],
)
def test_corners(values):
    array = np.array(values, np.float32)
    seen = histogram_of(array).observed()
    assert seen.bins.counts.sum() == seen.values == len(values)
    assert seen.amax == (np.abs(array).max() if values else 0)
    assert np.array_equal(seen.bins.counts, plain(array, seen.bins.width, sides=len(seen.bins.counts)))


def test_memory_is_bounded_and_the_sign_is_paid_for_only_where_there_is_one():
    random = np.random.default_rng(5)
    positive, signed = Histogram("p"), Histogram("s")
    for scale in (1, 100, 1e-9):
        values = (random.normal(size=300_000) * scale).astype(np.float32)
        positive.add(np.abs(values))
        signed.add(values)
    assert [seen.observed().bins.counts.shape for seen in (positive, signed)] == [(1, BINS), (2, BINS)]


def test_observed_is_a_copy():
    histogram = histogram_of(np.ones(3, np.float32))
    before = histogram.observed()
    histogram.add(np.ones(3, np.float32))
    assert before.bins.counts.sum() == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_numbers_are_refused_and_leave_no_trace(bad):
    histogram = histogram_of(np.array([1, 2], np.float32))
    values = np.ones(200_000, np.float32)
    values[[3, 150_000]] = bad
    found = "2 NaN and 0 infinite" if np.isnan(bad) else "0 NaN and 2 infinite"
    with pytest.raises(DataError, match=f"tensor 't'.*{found} of 200000"):
        histogram.add(values)
    assert same(histogram, histogram_of(np.array([1, 2], np.float32)))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64])
def test_another_dtype_is_refused(dtype):
    with pytest.raises(UserError, match=f"got {np.dtype(dtype)}, expected float32"):
        Histogram("t").add(np.ones(3, dtype))
