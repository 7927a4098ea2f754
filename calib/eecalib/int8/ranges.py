"""The values that a tensor takes: what an INT8 graph of any engine family is lowered from.

Ranges are canonical: they say nothing of scales, zero points or placement, which every engine family wants otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from eengines.errors import DataError

__all__ = ["Ranges", "TensorRange"]


@dataclass(frozen=True, kw_only=True)
class TensorRange:
    """The interval that a tensor is clipped to, `low <= 0 <= high`; zero is always inside, because padding is zero.

    Attributes:
        low: least value that is kept.
        high: largest value that is kept.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not float("-inf") < self.low <= 0 <= self.high < float("inf"):
            raise DataError(
                "range", f"got {self.low} to {self.high}, expected finite numbers around 0", "Calibrate again"
            )

    @property
    def amax(self) -> float:
        """Largest magnitude that is kept; a symmetric scale is `amax / 127`."""
        return max(-self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """`calibration/ranges.json`.

    Attributes:
        method: name of the calibrator.
        calibrate_on: `survivors` (segment k on the samples that reach it) or `all`.
        data_sha256: digest of the *calib* split.
        samples: for each segment, how many samples it was calibrated on.
        tensors: ranges of the segments' values by name.
        whole: ranges of the network without exit heads, always on all samples.
    """

    method: str
    calibrate_on: str
    data_sha256: str
    samples: tuple[int, ...]
    tensors: Mapping[str, TensorRange]
    whole: Mapping[str, TensorRange]
