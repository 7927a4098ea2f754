"""The expected time of one batch, from the cost of each segment and the fraction of samples that reach it.

Samples are rows of the graphs here: of a folded network a sample is a group of images, and a batch has so many groups.

The count `R_k` of samples of a batch of `B` that reach segment `k` follows `Binomial(B, q_k)` when the samples of a
batch are drawn independently. A segment's time depends on its own count alone, so by linearity of expectation

    E[T] = Σ_k E[C_k(R_k)] = Σ_k Σ_r C_k(r) · binom(B, r) · q_k^r · (1 − q_k)^(B − r)

is exact. It needs no independence between exits: `q_k` is taken from whole traces, not from a product over exits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eengines.errors import UserError

__all__ = ["ExpectedCost", "SegmentCosts", "expected_batch_ms", "tabulate_expected_cost"]

_CHUNK = 1 << 20  # elements of the binomial matrix held at a time


class SegmentCosts(Protocol):
    """What it takes to run some rows of a segment."""

    @property
    def segments(self) -> int:
        """How many segments there are, one for each exit."""

    @property
    def max_batch(self) -> int:
        """The most rows whose cost is known."""

    def run_ms(self, segment: int, rows: int) -> float:
        """Return the milliseconds of one run of a segment; 0 for no rows."""

    def run_head_ms(self, exit_index: int, rows: int) -> float:
        """Return the milliseconds of an early exit's head; 0 for no rows, and where it is in its segment."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpectedCost:
    """Expected milliseconds of each segment, tabulated for every count of tuning samples that can reach it.

    Attributes:
        batch: samples in one batch at run time.
        segment_ms: `[segments, samples + 1] float64`; entry `[k, j]` is `E[C_k(R)]` with
            `R ~ Binomial(batch, j / samples)`.
    """

    batch: int
    segment_ms: NDArray[np.float64]

    @property
    def samples(self) -> int:
        """How many tuning samples there are."""
        return int(self.segment_ms.shape[1]) - 1

    def batch_ms(self, reached: NDArray[np.int64]) -> float:
        """Return the expected milliseconds of one batch.

        Args:
            reached: `[segments] int64`, how many of the tuning samples reach each segment.
        """
        return float(self.segment_ms[np.arange(len(reached)), reached].sum())

    @property
    def full_ms(self) -> float:
        """Milliseconds of one batch when nobody leaves early."""
        return float(self.segment_ms[:, -1].sum())


def tabulate_expected_cost(costs: SegmentCosts, *, batch: int, samples: int) -> ExpectedCost:
    """Tabulate the expected cost of each segment for every fraction `j / samples`.

    Where heads are graphs of their own, all that reach an exit are tested there.

    Raises:
        UserError: `batch` is not within 1 and `costs.max_batch`, or a cost is negative or not finite.
    """
    fractions = np.arange(samples + 1) / samples
    by_rows = [_costs_by_rows(costs, segment, batch) for segment in range(costs.segments)]
    for exit_ in range(costs.segments - 1):
        by_rows[exit_] = by_rows[exit_] + _head_costs_by_rows(costs, exit_, batch)
    return ExpectedCost(batch=batch, segment_ms=np.stack([_expected_ms(each, fractions) for each in by_rows]))


def expected_batch_ms(
    costs: SegmentCosts, *, batch: int, reached: Sequence[float], tested: Sequence[float] | None = None
) -> float:
    """Return the expected milliseconds of one batch.

    Args:
        costs: the cost of each segment.
        batch: samples in one batch.
        reached: for each segment the fraction of samples that reach it; 1 for the first.
        tested: for each early exit the fraction of samples whose head runs, where heads are graphs of their own; None:
            all that reach it.

    Raises:
        UserError: `reached` does not fit `costs`, or `batch` or a cost is out of range.
    """
    fractions = np.asarray(reached, np.float64)
    if fractions.shape != (costs.segments,) or not np.all((fractions >= 0) & (fractions <= 1)):
        raise UserError(
            "expected cost: reached",
            f"got {list(reached)}, expected {costs.segments} fractions between 0 and 1",
            "Give the fraction of samples that reach each segment",
        )
    heads = reached[:-1] if tested is None else tested
    return sum(
        float(_expected_ms(by_rows, np.array([fraction]))[0])
        for by_rows, fraction in (
            *((_costs_by_rows(costs, segment, batch), fraction) for segment, fraction in enumerate(reached)),
            *((_head_costs_by_rows(costs, exit_, batch), fraction) for exit_, fraction in enumerate(heads)),
        )
    )


def _head_costs_by_rows(costs: SegmentCosts, exit_index: int, batch: int) -> NDArray[np.float64]:
    """Return the milliseconds of running 0 to `batch` rows of an early exit's head, `[batch + 1] float64`."""
    return np.array([costs.run_head_ms(exit_index, rows) if rows else 0.0 for rows in range(batch + 1)])


def _costs_by_rows(costs: SegmentCosts, segment: int, batch: int) -> NDArray[np.float64]:
    """Return the milliseconds of running 0 to `batch` rows of a segment, `[batch + 1] float64`."""
    if not 1 <= batch <= costs.max_batch:
        raise UserError(
            "expected cost: batch",
            f"got {batch}, expected 1 to {costs.max_batch}",
            "Choose a batch whose costs were measured, or measure larger ones",
        )
    by_rows = np.array([0.0, *(costs.run_ms(segment, rows) for rows in range(1, batch + 1))])
    if not np.all(np.isfinite(by_rows) & (by_rows >= 0)):
        rows = int(np.argmin(np.isfinite(by_rows) & (by_rows >= 0)))
        raise UserError(
            f"expected cost: segment {segment}",
            f"got {by_rows[rows]} ms for {rows} rows, expected a finite time that is not negative",
            "Measure the costs again",
        )
    return by_rows


def _expected_ms(by_rows: NDArray[np.float64], fractions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `E[C(R)]`, `R ~ Binomial(batch, q)`, for each fraction `q`: `[len(fractions)] float64`."""
    batch = len(by_rows) - 1
    counts = np.arange(batch + 1)
    log_choose = np.array([lgamma(batch + 1) - lgamma(r + 1) - lgamma(batch - r + 1) for r in range(batch + 1)])
    result: NDArray[np.float64] = np.where(fractions > 0, by_rows[-1], by_rows[0])
    inside = np.flatnonzero((fractions > 0) & (fractions < 1))
    for part in np.array_split(inside, 1 + inside.size * (batch + 1) // _CHUNK):
        q = fractions[part, None]
        log_probability = log_choose + counts * np.log(q) + (batch - counts) * np.log1p(-q)
        result[part] = np.exp(log_probability) @ by_rows
    return result
