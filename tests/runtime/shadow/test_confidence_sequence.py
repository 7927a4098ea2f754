"""The interval of the disagreement contains it at all times together."""

import numpy as np
import pytest

from eerun.shadow import interval


def test_without_samples_anything_is_possible():
    assert interval(0.0, 0, 0.95) == (0.0, 1.0)


@pytest.mark.parametrize(("total", "samples"), [(0, 10), (10, 10), (3, 10), (2.5, 10), (1, 10_000)])
def test_it_contains_the_mean_and_shrinks(total, samples):
    low, high = interval(total, samples, 0.95)
    assert 0 <= low <= total / samples <= high <= 1
    assert (low == 0) == (total == 0)
    assert (high == 1) == (total == samples)
    wider = interval(total, samples, 0.99)
    assert wider[0] <= low
    assert wider[1] >= high
    more = interval(10 * total, 10 * samples, 0.95)
    assert more[1] - more[0] < high - low


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_it_misses_at_any_time_as_rarely_as_promised(share):
    random, draws, confidence = np.random.default_rng(4), 200, 0.9
    missed = 0
    for _ in range(draws):
        sums = (random.random(150) < share).cumsum().tolist()
        edges = (interval(total, n, confidence) for n, total in enumerate(sums, start=1))
        missed += any(not low <= share <= high for low, high in edges)
    assert missed / draws <= 1 - confidence + 4 * np.sqrt(confidence * (1 - confidence) / draws)
