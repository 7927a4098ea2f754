"""The exact least and largest value of a stream of numbers, which must all be finite."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eecalib.int8.observed import Observed
from eengines.errors import DataError, UserError

__all__ = ["Extremes"]


class Extremes:
    """Least and largest value of one tensor. The result depends on neither the batch size nor the order of samples.

    Args:
        name: of the tensor, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._values = 0
        self._low = math.inf
        self._high = -math.inf

    def add(self, values: NDArray[np.float32]) -> None:
        """Take in an array of any shape. Nothing of it is kept.

        Raises:
            UserError: the array is not float32.
            DataError: a value is NaN or infinite; the array then leaves no trace.
        """
        self._take(self._checked(values))

    def observed(self) -> Observed:
        """Return what was seen so far; the extremes are 0 if that is nothing."""
        seen = self._values > 0
        return Observed(
            name=self.name,
            values=self._values,
            low=self._low if seen else 0.0,
            high=self._high if seen else 0.0,
            bins=None,
        )

    def _checked(self, values: NDArray[Any]) -> tuple[NDArray[np.float32], float, float]:
        """Return the values in memory order `[values] float32`, and their extremes (`inf, -inf` if there is none)."""
        if values.dtype != np.float32:
            raise UserError(
                f"calibration: tensor '{self.name}'",
                f"got {values.dtype}, expected float32",
                "Record the values of the float32 network",
            )
        # the order of values is free, so that a transposed array is a view too
        flat = values.ravel(order="K")
        if not flat.size:
            return flat, math.inf, -math.inf
        low, high = float(flat.min()), float(flat.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise self._not_finite(flat)
        return flat, low, high

    def _take(self, checked: tuple[NDArray[np.float32], float, float]) -> None:
        """Widen the extremes."""
        flat, low, high = checked
        self._values += flat.size
        self._low = min(self._low, low)
        self._high = max(self._high, high)

    def _not_finite(self, flat: NDArray[np.float32]) -> DataError:
        """Say how many values are not numbers."""
        nans = int(np.isnan(flat).sum())
        infinite = int(np.isinf(flat).sum())
        return DataError(
            f"calibration: tensor '{self.name}'",
            f"got {nans} NaN and {infinite} infinite of {flat.size} values, expected finite numbers",
            "Check the weights and the input of the layer that makes this tensor, and the calibration samples",
        )
