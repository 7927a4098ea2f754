"""What is near enough, and what is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eecompile.verify.tolerance import ALLOWED_ERROR, least_agreement, logit_error


def logits(seed, samples=64):
    return np.random.default_rng(seed).normal(2, 3, (samples, 10)).astype(np.float32)


@pytest.mark.parametrize("precision", ALLOWED_ERROR)
def test_the_same_logits_have_no_error_and_those_of_another_network_are_refused(precision):
    expected = logits(1)
    assert logit_error(expected, expected, precision) == 0
    assert logit_error(logits(2), expected, precision) > 4 * ALLOWED_ERROR[precision]
    assert logit_error(np.full_like(expected, expected.mean()), expected, precision) > 2 * ALLOWED_ERROR[precision]


@pytest.mark.parametrize("precision", ALLOWED_ERROR)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_infinitely_wrong(precision, bad):
    got = logits(1)
    got[3, 4] = bad
    assert logit_error(got, logits(1), precision) == np.inf


def test_float32_is_held_to_its_largest_difference():
    got = logits(1)
    got[0, 0] += 0.01
    assert logit_error(got, logits(1), "float32") > ALLOWED_ERROR["float32"]
    assert logit_error(got, logits(1), "float16") < ALLOWED_ERROR["float16"]


def test_rounding_is_allowed_a_wrong_scale_is_not():
    expected = logits(1)
    assert logit_error(expected.astype(np.float16), expected, "float16") < ALLOWED_ERROR["float16"] / 8
    assert logit_error(expected * np.float32(1.05), expected, "float16") > ALLOWED_ERROR["float16"]
    step = np.float32(np.ptp(expected) / 255)
    assert logit_error(np.round(expected / step) * step, expected, "int8") < ALLOWED_ERROR["int8"] / 8
    assert logit_error(expected * np.float32(2), expected, "int8") > ALLOWED_ERROR["int8"]


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 0.2), st.integers(1, 2000), st.integers(1, 500))
def test_fewer_samples_get_more_room(drop, tune, samples):
    least = least_agreement(drop, tune_samples=tune, samples=samples)
    assert 0 <= least <= 1 - np.floor(drop * tune) / tune + 1e-9
    assert least_agreement(drop, tune_samples=10 * tune, samples=samples) >= least - 1e-9 or drop * tune % 1


def test_room_for_chance_is_small_where_samples_are_many():
    assert least_agreement(0.01, tune_samples=3200, samples=256) == pytest.approx(0.95, abs=0.01)
    assert least_agreement(0.01, tune_samples=100_000, samples=100_000) == pytest.approx(0.988, abs=0.001)
    assert least_agreement(1.0, tune_samples=100, samples=10) == 0
