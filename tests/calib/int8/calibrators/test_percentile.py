"""The percentile calibrator against sorting."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eecalib.int8.calibrators import PercentileCalibrator
from eecalib.int8.histogram import Histogram
from eengines.errors import UserError


@given(st.integers(0, 1000), st.integers(1, 3000), st.sampled_from([50.0, 90.0, 99.0, 99.9, 99.99, 100.0]))
def test_it_is_the_percentile_of_the_magnitude_to_one_bin(seed, count, percent):
    values = np.random.default_rng(seed).laplace(size=count).astype(np.float32)
    histogram = Histogram("t")
    histogram.add(values)
    observed = histogram.observed()
    exact = np.sort(np.abs(values))[math.ceil(round(count * percent / 100, 6)) - 1]
    clip = PercentileCalibrator(percent=percent).clip_of(observed)
    assert exact <= clip <= exact + observed.bins.width


def test_ten_thousand_values_lose_one():
    values = np.append(np.linspace(0.001, 1, 9999), 50).astype(np.float32)
    histogram = Histogram("t")
    histogram.add(values)
    assert PercentileCalibrator().range_of(histogram.observed()).high == pytest.approx(1, abs=50 / 2048)


@pytest.mark.parametrize("percent", [0.0, -1.0, 100.1, math.nan])
def test_a_percentage_out_of_range_is_refused(percent):
    with pytest.raises(UserError, match="expected above 0 and at most 100"):
        PercentileCalibrator(percent=percent)
