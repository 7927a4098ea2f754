"""Percentiles, paired ratios and their intervals against values that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eerun.bench.statistics import Latency, bootstrap, paired_ratio, percentile, tail_ratio


def test_latency_of_one_to_a_hundred_milliseconds():
    latency = Latency.of(np.arange(1, 101, dtype=np.int64)[::-1] * 1_000_000)
    assert (latency.min_ms, latency.max_ms, latency.mean_ms, latency.median_ms) == (1, 100, 50.5, 50.5)
    assert (latency.percentile_90_ms, latency.percentile_95_ms, latency.percentile_99_ms) == (90, 95, 99)
    assert latency.variation == pytest.approx(np.sqrt((100**2 - 1) / 12) / 50.5)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.sampled_from([50, 90, 95, 99]))
def test_a_percentile_is_the_least_value_that_enough_do_not_exceed(values: list[float], percent: float):
    array = np.array(values)
    found = percentile(array, percent)
    assert found in values
    assert (array <= found).mean() >= percent / 100 - 1e-9
    below = array[array < found]
    assert not len(below) or (array <= below.max()).mean() < percent / 100


def test_a_constant_ratio_has_no_spread():
    under = np.random.default_rng(0).uniform(1, 2, 200)
    ratio = paired_ratio(1.5 * under, under, batch=32, seed=0)
    for value in (ratio.median.value, ratio.median.low, ratio.median.high, ratio.totals.value, ratio.totals.low):
        assert value == pytest.approx(1.5)
    assert (ratio.pairs, ratio.batches_per_pair) == (200, 1)


def test_one_outlier_moves_the_total_but_not_the_median():
    over, under = np.full(100, 2.0), np.ones(100)
    over[7] = 1000.0
    ratio = paired_ratio(over, under, batch=64, seed=0)
    assert ratio.median.value == ratio.median.high == 2.0
    assert ratio.totals.value == pytest.approx((99 * 2 + 1000) / 100)
    assert ratio.totals.low <= ratio.totals.value <= ratio.totals.high


def test_single_samples_are_paired_in_groups_so_that_the_median_is_a_ratio_of_throughputs():
    over = np.ones(64 * 32)
    under = np.tile([0.2, 0.2, 1.1], 64 * 32 // 3 + 1)[: len(over)]
    ratio = paired_ratio(over, under, batch=1, seed=0)
    assert (ratio.pairs, ratio.batches_per_pair) == (64, 32)
    assert ratio.median.value == pytest.approx(2.0, rel=0.05)
    assert ratio.totals.value == pytest.approx(over.sum() / under.sum())


def test_groups_lose_no_batch():
    over, under = np.arange(1.0, 36), np.ones(35)
    ratio = paired_ratio(over, under, batch=4, seed=0)
    assert ratio.pairs == 4
    assert ratio.totals.value == pytest.approx(over.sum() / 35)


@pytest.mark.parametrize("count", [1, 2, 5000])
def test_any_number_of_batches(count: int):
    ratio = paired_ratio(np.full(count, 3.0), np.ones(count), batch=2, seed=0)
    assert ratio.median.value == 3.0
    assert 1 <= ratio.pairs <= 2000


def test_the_interval_covers_the_true_ratio_as_often_as_it_says():
    random = np.random.default_rng(1)
    hits = 0
    for seed in range(60):
        over = random.normal(1.3, 0.1, 80)
        interval = paired_ratio(over, np.ones(80), batch=32, seed=seed).totals
        hits += interval.low <= 1.3 <= interval.high
    assert 50 <= hits <= 60


def test_a_seed_gives_the_same_interval():
    values = np.random.default_rng(2).random(30)
    estimates = [bootstrap(30, lambda pick: float(values[pick].mean()), seed=seed) for seed in (3, 3, 4)]
    assert estimates[0] == estimates[1] != estimates[2]


def test_tail_ratio_of_known_percentiles():
    under = np.arange(1.0, 101)
    assert tail_ratio(2 * under, under, percent=90, seed=0).value == pytest.approx(2.0)
