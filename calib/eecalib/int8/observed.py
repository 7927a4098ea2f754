"""What was seen of one tensor: all that a calibrator may look at."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bins", "Observed"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bins:
    """How often values of each size occurred.

    Attributes:
        width: of a bin; a power of two.
        counts: `[sides, bins] int64`. Side 0, bin i: values in `[i·width, (i + 1)·width)`; side 1, which is there only
            if a value was negative, the same of `-x`. Bin 0 of side 0 holds both signs; bin 0 of side 1 is empty.
    """

    width: float
    counts: NDArray[np.int64]

    @property
    def magnitudes(self) -> NDArray[np.int64]:
        """Return how often each magnitude occurred, `[bins] int64`, up to the last bin that holds one."""
        counts: NDArray[np.int64] = self.counts.sum(axis=0)
        return counts[: int(np.flatnonzero(counts)[-1]) + 1] if counts.any() else counts[:0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Observed:
    """One tensor over all calibration samples.

    Attributes:
        name: of the tensor.
        values: how many there were.
        low: the least value, exact.
        high: the largest value, exact.
        bins: None if only the extremes were kept.
    """

    name: str
    values: int
    low: float
    high: float
    bins: Bins | None

    @property
    def amax(self) -> float:
        """The largest magnitude."""
        return max(-self.low, self.high)

    @property
    def constant(self) -> bool:
        """Whether all values were the same."""
        return self.values > 0 and self.low == self.high
