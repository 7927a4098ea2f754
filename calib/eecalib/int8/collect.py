"""Collect what a calibrator needs of many tensors, batch by batch."""

import numpy as np
from numpy.typing import NDArray

from eecalib.int8.calibrators import Calibrator
from eecalib.int8.extremes import Extremes
from eecalib.int8.histogram import Histogram
from eecalib.int8.observed import Observed
from eecalib.int8.ranges import TensorRange

__all__ = ["RangeCollector"]


class RangeCollector:
    """Histograms, or only extremes, of named tensors. Values are never kept.

    Memory: at most 64 KiB a tensor with bins, next to nothing without, and 1 MiB of scratch during `add`. The result
    depends on neither the batches nor their order. One thread: counting, most of the time, holds Python's lock.

    Args:
        bins: keep histograms; without, only calibrators that need none can be used (`Calibrator.needs_bins`).
    """

    def __init__(self, *, bins: bool) -> None:
        self._kind = Histogram if bins else Extremes
        self._seen: dict[str, Extremes] = {}

    @property
    def observed(self) -> dict[str, Observed]:
        """What was seen of each tensor, in the order in which they came."""
        return {name: seen.observed() for name, seen in self._seen.items()}

    @property
    def all_zero(self) -> tuple[str, ...]:
        """Names of the tensors that were zero throughout, sorted. Their range is 0 to 0, which has no scale."""
        return tuple(sorted(name for name, seen in self.observed.items() if seen.constant and seen.amax == 0))

    @property
    def constant(self) -> tuple[str, ...]:
        """Names of the tensors that had one value throughout, other than zero, sorted."""
        return tuple(sorted(name for name, seen in self.observed.items() if seen.constant and seen.amax > 0))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the tensors, one line each."""
        zero = [f"tensor '{name}' is zero for every calibration sample, so it has no scale" for name in self.all_zero]
        same = [f"tensor '{name}' is the same for every calibration sample" for name in self.constant]
        return tuple(zero + same)

    def add(self, name: str, values: NDArray[np.float32]) -> None:
        """Take in the values of one tensor for one batch, `[batch, ...] float32`.

        Raises:
            UserError: the array is not float32.
            DataError: a value is NaN or infinite.
        """
        self._of(name).add(values)

    def ranges(self, calibrator: Calibrator) -> dict[str, TensorRange]:
        """Return the range of each tensor.

        Raises:
            UserError: the calibrator needs histograms and there are none.
            DataError: a tensor had no values.
        """
        return {name: calibrator.range_of(seen) for name, seen in self.observed.items()}

    def _of(self, name: str) -> Extremes:
        """Return the statistics of one tensor, begun if it is new."""
        return self._seen.setdefault(name, self._kind(name))
