"""Held-out samples, steps and the learning rate over them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eecompile.train.hold_out import hold_out
from eecompile.train.schedule import rate_share, steps_of
from eengines.errors import DataError


@given(st.integers(4, 500), st.floats(0.01, 0.99), st.integers(0, 5))
def test_held_out_samples_are_never_trained_on(samples, share, seed):
    rows, held = hold_out(samples, share, seed)
    assert sorted([*rows, *held]) == list(range(samples))
    assert len(rows) >= 2
    assert len(held) == min(max(2, round(samples * share)), samples - 2)
    assert all(np.array_equal(a, b) for a, b in zip((rows, held), hold_out(samples, share, seed), strict=True))


def test_another_seed_holds_out_others():
    assert list(hold_out(100, 0.1, 0)[1]) != list(hold_out(100, 0.1, 1)[1])


def test_too_few_samples_are_refused():
    with pytest.raises(DataError, match="has 3 samples, expected 4 or more"):
        hold_out(3, 0.1, 0)


@given(st.integers(2, 1000), st.integers(2, 300))
def test_no_batch_has_one_sample_alone(samples, batch):
    sizes = [len(part) for part in np.array_split(np.arange(samples), steps_of(samples, batch))]
    assert min(sizes) >= 2
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= max(batch, 3)


@given(st.integers(1, 500))
def test_the_rate_rises_and_then_falls(steps):
    shares = [rate_share(step, steps) for step in range(steps)]
    peak = shares.index(max(shares))
    assert max(shares) == 1
    assert all(share > 0 for share in shares)
    assert shares[: peak + 1] == sorted(shares[: peak + 1])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)
