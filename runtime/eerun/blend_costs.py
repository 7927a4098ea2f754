"""One cost table for a mixture of sequence lengths: expected times.

Of a batch of `b` samples drawn independently, `R_l` have the length bucket `l`, which is binomial with that bucket's
share `w_l`. Each bucket's samples run by themselves, so by linearity of expectation

    T_k(b) = Σ_l E[T_k,l(R_l)],  R_l ~ Binomial(b, w_l)

with `T_k,l(r)` the cheapest cover of `r` rows at that length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from eerun.binomial import binomial
from eerun.costs import CostTable, Cover

__all__ = ["blend_costs"]


def blend_costs(tables: Mapping[int, CostTable], shares: Mapping[int, float]) -> CostTable:
    """Return the expected costs.

    Args:
        tables: of one engine and precision at each length bucket, all with the same batch sizes.
        shares: of the samples in each length bucket, 1 together.
    """
    longest = tables[max(tables)]
    buckets = longest.buckets
    segments = [{n: table.covers[k] for n, table in tables.items()} for k in range(longest.segments)]
    whole = {n: table.of_whole().covers[0] for n, table in tables.items()}
    return replace(
        longest,
        segment_ms=tuple(tuple(_expected_ms(covers, shares, b) for b in buckets) for covers in segments),
        whole_ms=tuple(_expected_ms(whole, shares, b) for b in buckets),
        move_ms=tuple(
            sum(shares[n] * table.move_ms[boundary] for n, table in tables.items())
            for boundary in range(longest.segments - 1)
        ),
        head_ms=tuple(
            tuple(_expected_ms({n: table.head_covers[k] for n, table in tables.items()}, shares, b) for b in buckets)
            for k in range(len(longest.head_ms))
        ),
    )


def _expected_ms(covers: Mapping[int, Sequence[Cover]], shares: Mapping[int, float], batch: int) -> float:
    """Expected milliseconds of a batch; `covers` are those of each length bucket, by number of rows."""
    return sum(
        float(binomial(batch, shares[length]) @ np.array([cover.run_ms for cover in found[: batch + 1]]))
        for length, found in covers.items()
    )
