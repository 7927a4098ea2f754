"""Percentiles of latencies, and ratios of times that were measured in pairs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PAIR_SAMPLES",
    "Estimate",
    "Latency",
    "PairedRatio",
    "batches_a_pair",
    "bootstrap",
    "paired_ratio",
    "percentile",
    "tail_ratio",
]

NS_PER_MS = 1e6
RESAMPLES = 1000
INTERVAL_PERCENT = (2.5, 97.5)

PAIR_SAMPLES = 32
"""A pair holds at least so many samples: a single sample costs as much as the segments it runs, so that the ratio of
one sample jumps from exit to exit, and the median of such ratios is not the ratio of throughputs."""

MAX_PAIRS = 2000
"""With more batches than that a pair is made of several."""

Times = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Latency of many calls, in milliseconds; `variation` is the coefficient of variation, deviation by mean."""

    min_ms: float
    max_ms: float
    mean_ms: float
    median_ms: float
    percentile_90_ms: float
    percentile_95_ms: float
    percentile_99_ms: float
    variation: float

    @classmethod
    def of(cls, times_ns: Times) -> "Latency":
        """Summarise `[calls] int64` nanoseconds, at least one."""
        times = times_ns / NS_PER_MS
        return cls(
            min_ms=float(times.min()),
            max_ms=float(times.max()),
            mean_ms=float(times.mean()),
            median_ms=float(np.median(times)),
            percentile_90_ms=percentile(times, 90),
            percentile_95_ms=percentile(times, 95),
            percentile_99_ms=percentile(times, 99),
            variation=float(times.std() / times.mean()),
        )


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class PairedRatio:
    """Ratio of two times that were measured side by side.

    Attributes:
        median: median of the pairs' ratios.
        totals: sum of the one divided by sum of the other.
        first_quartile: a quarter of the pairs' ratios is below.
        third_quartile: a quarter of the pairs' ratios is above.
        pairs: how many pairs.
        batches_per_pair: how many batches, one after the other, are one pair.
    """

    median: Estimate
    totals: Estimate
    first_quartile: float
    third_quartile: float
    pairs: int
    batches_per_pair: int


def percentile(values: NDArray[np.floating], percent: float) -> float:
    """Return the smallest of `[n]` values that `percent` % of them do not exceed (nearest rank)."""
    return float(np.percentile(values, percent, method="inverted_cdf"))


def batches_a_pair(batch: int) -> int:
    """How many batches hold `PAIR_SAMPLES` samples."""
    return -(-PAIR_SAMPLES // batch)


def paired_ratio(numerator: Floats, denominator: Floats, *, batch: int, seed: int) -> PairedRatio:
    """Summarise `numerator / denominator`.

    Args:
        numerator: `[batches] float64` times.
        denominator: `[batches] float64` times of the same batches, in the same unit.
        batch: samples a batch.
        seed: seed of the bootstrap.
    """
    count = len(numerator)
    least = batches_a_pair(batch)
    per_pair = least * max(1, -(-count // (least * MAX_PAIRS)))
    starts = np.arange(0, max(count - per_pair + 1, 1), per_pair)
    over, under = np.add.reduceat(numerator, starts), np.add.reduceat(denominator, starts)
    ratios = over / under
    return PairedRatio(
        median=bootstrap(len(ratios), lambda pick: float(np.median(ratios[pick])), seed=seed),
        totals=bootstrap(len(ratios), lambda pick: float(over[pick].sum() / under[pick].sum()), seed=seed),
        first_quartile=float(np.percentile(ratios, 25)),
        third_quartile=float(np.percentile(ratios, 75)),
        pairs=len(ratios),
        batches_per_pair=per_pair,
    )


def tail_ratio(numerator: Floats, denominator: Floats, *, percent: float, seed: int) -> Estimate:
    """Return the ratio of two percentiles; the bootstrap keeps pairs `[batches]` together."""
    return bootstrap(
        len(numerator),
        lambda pick: percentile(numerator[pick], percent) / percentile(denominator[pick], percent),
        seed=seed,
    )


def bootstrap(count: int, statistic: Callable[[NDArray[np.intp]], float], *, seed: int) -> Estimate:
    """Return a statistic with its percentile-bootstrap interval.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Args:
        count: how many observations there are.
        statistic: computes the statistic of the observations at `[count]` indices.
        seed: seed of the resampling.
    """
    generator = np.random.default_rng(seed)
    draws = [statistic(generator.integers(0, count, count)) for _ in range(RESAMPLES)]
    low, high = np.percentile(draws, INTERVAL_PERCENT)
    return Estimate(value=statistic(np.arange(count)), low=float(low), high=float(high))
