"""What holds for all calibrators, and finding them by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eecalib.int8.calibrators import CALIBRATORS, calibrator_by_name
from eecalib.int8.histogram import Histogram
from eecalib.int8.ranges import TensorRange
from eengines.errors import DataError, UserError

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


def seen(values):
    histogram = Histogram("t")
    histogram.add(np.asarray(values, np.float32))
    return histogram.observed()


@pytest.mark.parametrize("name", CALIBRATORS)
def test_found_by_name(name):
    assert calibrator_by_name(name).name == name
    assert calibrator_by_name(name).needs_bins == (name != "min-max")


def test_an_unknown_name_is_refused():
    with pytest.raises(UserError, match=r"got 'kl', expected one of min-max, percentile, entropy, mse"):
        calibrator_by_name("kl")


@pytest.mark.parametrize("name", CALIBRATORS)
@given(values=hnp.arrays(np.float32, st.integers(1, 60), elements=floats))
def test_the_range_is_the_observed_one_clipped_at_a_magnitude(name, values):
    found = calibrator_by_name(name).range_of(seen(values))
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    assert low <= found.low <= 0 <= found.high <= high
    assert found == TensorRange(low=max(low, -found.amax), high=min(high, found.amax))
    assert (found.amax > 0) == bool(values.any())


@pytest.mark.parametrize("name", CALIBRATORS)
@given(scale=st.integers(-30, 30), seed=st.integers(0, 5))
def test_a_tensor_twice_as_large_has_a_range_twice_as_large(name, scale, seed):
    values = np.random.default_rng(seed).standard_t(3, 2000).astype(np.float32)
    one = calibrator_by_name(name).range_of(seen(values))
    other = calibrator_by_name(name).range_of(seen(np.ldexp(values, scale)))
    assert (other.low, other.high) == (np.ldexp(one.low, scale), np.ldexp(one.high, scale))


@pytest.mark.parametrize("name", CALIBRATORS)
@pytest.mark.parametrize("values", [[0.0], [2.5] * 9, [-2.5] * 9, [0.0, 1e-45], [3e38, -3e38], [0, 0, 0, 0, 0, 7]])
def test_constant_tiny_and_huge_tensors(name, values):
    found = calibrator_by_name(name).range_of(seen(values))
    array = np.array(values, np.float32)
    assert found == TensorRange(low=min(float(array.min()), 0.0), high=max(float(array.max()), 0.0))


@pytest.mark.parametrize("name", CALIBRATORS)
def test_without_values_there_is_no_range(name):
    with pytest.raises(DataError, match="got no values"):
        calibrator_by_name(name).range_of(seen([]))


@pytest.mark.parametrize("name", ["percentile", "entropy", "mse"])
def test_a_heavy_tail_is_clipped_and_min_max_keeps_it(name):
    values = np.random.default_rng(11).standard_t(3, 400_000)
    tensor = seen(values)
    clipped = calibrator_by_name(name).range_of(tensor)
    kept = calibrator_by_name("min-max").range_of(tensor)
    assert (kept.low, kept.high) == (tensor.low, tensor.high)
    assert clipped.amax < 0.6 * kept.amax


@pytest.mark.parametrize("name", CALIBRATORS)
def test_zeros_of_a_relu_do_not_drive_the_range_to_nothing(name):
    values = np.maximum(np.random.default_rng(12).normal(size=300_000), 0)
    assert calibrator_by_name(name).range_of(seen(values)).high > 3
