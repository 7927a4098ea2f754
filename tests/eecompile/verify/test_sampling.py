"""Binomial limits, against their definition in exact arithmetic."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eecompile.verify.sampling import largest_share, most_expected


def at_most(count, samples, share):
    share = Fraction(share)
    return sum(comb(samples, k) * share**k * (1 - share) ** (samples - k) for k in range(count + 1))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.floats(0.001, 0.9), st.sampled_from([0.05, 0.001]))
def test_most_expected_is_the_smallest_count_that_is_rarely_exceeded(samples, share, chance):
    count = most_expected(share, samples, chance=chance)
    assert 1 - at_most(count, samples, share) <= chance * 1.000001
    if count:
        assert 1 - at_most(count - 1, samples, share) > chance * 0.999999


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.data())
def test_largest_share_is_where_the_count_becomes_rare(samples, data):
    count = data.draw(st.integers(0, samples - 1))
    share = largest_share(count, samples, chance=0.01)
    assert count / samples < share < 1
    assert float(at_most(count, samples, share)) == pytest.approx(0.01, rel=1e-6)


def test_known_values():
    """Nothing seen in n samples: (1 - p)^n = chance."""
    assert largest_share(0, 100, chance=0.05) == pytest.approx(1 - 0.05**0.01, rel=1e-9)
    assert largest_share(7, 7, chance=0.05) == 1
    assert most_expected(0, 50, chance=0.001) == 0
    assert most_expected(1, 50, chance=0.001) == 50


def test_large_numbers_do_not_overflow():
    assert 100 < most_expected(0.01, 10_000, chance=1e-3) < 140
    assert 0.01 < largest_share(100, 10_000, chance=1e-3) < 0.014
