"""What every calibrator does: choose a magnitude to clip at, and clip the observed range there."""

from abc import ABC, abstractmethod
from typing import ClassVar

from eecalib.int8.observed import Bins, Observed
from eecalib.int8.ranges import TensorRange
from eengines.errors import DataError, UserError

__all__ = ["Calibrator"]


class Calibrator(ABC):
    """Chooses the range of a tensor from what was seen of it. Subclasses are frozen settings without a state.

    Attributes:
        name: what the user calls it.
        needs_bins: whether it looks at the histogram; without, only the extremes need be collected, much faster.
    """

    name: ClassVar[str]
    needs_bins: ClassVar[bool]

    @abstractmethod
    def clip_of(self, observed: Observed) -> float:
        """Return the magnitude to clip at, above 0; `observed.amax` is above 0."""

    def range_of(self, observed: Observed) -> TensorRange:
        """Return the observed range clipped at a magnitude. It always holds 0, and ends there if one sign is missing.

        A tensor that is zero throughout has the range 0 to 0.

        Raises:
            DataError: nothing was seen.
            UserError: the calibrator needs a histogram and there is none.
        """
        if not observed.values:
            raise DataError(
                f"calibration: tensor '{observed.name}'",
                "got no values, expected those of at least one sample",
                "Give calibration samples that reach the segment of this tensor",
            )
        if observed.amax == 0:
            return TensorRange(low=0.0, high=0.0)
        clip = min(self.clip_of(observed), observed.amax)
        return TensorRange(low=min(max(observed.low, -clip), 0.0), high=max(min(observed.high, clip), 0.0))

    def bins_of(self, observed: Observed) -> Bins:
        """Return the histogram.

        Raises:
            UserError: only the extremes were collected.
        """
        if observed.bins is None:
            raise UserError(
                f"calibration: tensor '{observed.name}'",
                f"got only its extremes, expected a histogram for '{self.name}'",
                "Collect with bins, or choose 'min-max'",
            )
        return observed.bins
