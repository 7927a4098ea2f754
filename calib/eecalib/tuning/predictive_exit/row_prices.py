"""What one more sample costs at each segment and head, near the numbers of samples that reach them now."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.expected_cost import expected_batch_ms
from eecalib.tuning.data import TuningData
from eecalib.tuning.predictive_exit.routes import Route

__all__ = ["RowPrices"]

STEP = 0.02
"""Fraction of the samples by which the numbers are moved up and down."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RowPrices:
    """Slopes of the expected cost of a batch, in milliseconds for all samples.

    Attributes:
        segments: `[exits]`.
        heads: `[exits - 1]`; 0 where heads are in their segments.
    """

    segments: NDArray[np.float64]
    heads: NDArray[np.float64]

    @classmethod
    def near(cls, route: Route, data: TuningData) -> "RowPrices":
        """Return the slopes at the numbers that a route gives."""
        reached, tested = np.array(route.reached), np.array(route.tested_shares)
        return cls(
            segments=_slopes(reached, lambda changed: _ms(data, changed, tested)),
            heads=_slopes(tested, lambda changed: _ms(data, reached, changed)),
        )


def _slopes(fractions: NDArray[np.float64], cost: Callable[[NDArray[np.float64]], float]) -> NDArray[np.float64]:
    """Return how a cost changes with each fraction."""
    slopes = np.empty(len(fractions))
    for index, fraction in enumerate(fractions):
        low, high = fractions.copy(), fractions.copy()
        low[index], high[index] = max(0, fraction - STEP), min(1, fraction + STEP)
        slopes[index] = (cost(high) - cost(low)) / (high[index] - low[index])
    return slopes


def _ms(data: TuningData, reached: NDArray[np.float64], tested: NDArray[np.float64]) -> float:
    """Return the expected milliseconds of a batch."""
    return expected_batch_ms(data.costs, batch=data.batch, reached=reached.tolist(), tested=tested.tolist())
