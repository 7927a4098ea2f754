"""Percentiles of a histogram of durations."""

from collections.abc import Sequence

from eerun.scheduler.statistics import LATENCY_BOUNDS_US

__all__ = ["percentile_ms"]


def percentile_ms(counts: Sequence[int], share: float) -> float | None:
    """Duration that this share of the calls did not exceed, in ms, as far as the histogram tells.

    Within a bucket durations are taken as spread evenly, so that the error is at most the bucket's width. A percentile
    above all bounds is given as the last bound; it is that or more.

    Args:
        counts: `[bounds + 1]` calls in each bucket of `LATENCY_BOUNDS_US`.
        share: 0 to 1.

    Returns:
        None where nothing was counted.
    """
    total = sum(counts)
    if not total:
        return None
    rank, below, low = share * total, 0, 0.0
    for count, high in zip(counts[:-1], LATENCY_BOUNDS_US, strict=True):
        if count and below + count >= rank:
            return (low + (high - low) * (rank - below) / count) / 1000
        below, low = below + count, high
    return LATENCY_BOUNDS_US[-1] / 1000
