"""Percentile: clip a fixed share of the values."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from eecalib.int8.calibrators.base import Calibrator
from eecalib.int8.observed import Observed
from eengines.errors import UserError

__all__ = ["PercentileCalibrator"]


@dataclass(frozen=True, kw_only=True)
class PercentileCalibrator(Calibrator):
    """Clips the largest magnitudes.

    Attributes:
        percent: of the values, zeros included, that are kept whole, for example 99.99.

    Raises:
        UserError: `percent` is not above 0 and at most 100.
    """

    name: ClassVar[str] = "percentile"
    needs_bins: ClassVar[bool] = True

    percent: float = 99.99

    def __post_init__(self) -> None:
        if not 0 < self.percent <= 100:
            raise UserError(
                "calibrator 'percentile'",
                f"got {self.percent} per cent, expected above 0 and at most 100",
                "Give 99.99 to clip one value in ten thousand",
            )

    def clip_of(self, observed: Observed) -> float:
        """Return the upper edge of the bin that holds the percentile of the magnitude."""
        bins = self.bins_of(observed)
        # as a fraction: 99.99 per cent of 10,000 values are 9,999 of them, not one more by rounding
        rank = math.ceil(observed.values * Fraction(repr(self.percent)) / 100)
        bin_ = int(np.searchsorted(np.cumsum(bins.magnitudes), rank))
        return (bin_ + 1) * bins.width
