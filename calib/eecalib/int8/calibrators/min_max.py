"""Min-max: nothing seen is clipped."""

from dataclasses import dataclass
from typing import ClassVar

from eecalib.int8.calibrators.base import Calibrator
from eecalib.int8.observed import Observed

__all__ = ["MinMaxCalibrator"]


@dataclass(frozen=True, kw_only=True)
class MinMaxCalibrator(Calibrator):
    """Keeps every value that was seen. One outlier sets the step of all; fine where tails are short."""

    name: ClassVar[str] = "min-max"
    needs_bins: ClassVar[bool] = False

    def clip_of(self, observed: Observed) -> float:
        """Return the largest magnitude."""
        return observed.amax
