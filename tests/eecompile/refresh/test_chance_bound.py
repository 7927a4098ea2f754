"""A few answers that differ by chance cost nothing; more of them do."""

import numpy as np
import pytest

from eecompile.refresh.chance_bound import chance_bound


def test_two_of_180_say_nothing_and_a_large_sample_is_held_to_what_was_allowed():
    assert chance_bound(0.01, 180) > 2 / 180
    assert 0.01 < chance_bound(0.01, 100_000) < 0.011
    assert chance_bound(0.0, 180) == 0.0


@pytest.mark.parametrize("samples", [20, 180, 2000])
def test_it_is_exceeded_by_chance_once_in_twenty_draws_at_most(samples):
    drawn = np.random.default_rng(0).binomial(samples, 0.01, 20_000) / samples
    assert (drawn > chance_bound(0.01, samples) + 1e-9).mean() <= 0.055
