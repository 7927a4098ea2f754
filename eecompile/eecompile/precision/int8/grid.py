"""The integers that a range is rounded to: `value ≈ (integer − zero point) · scale`.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018, equation 1.
"""

from dataclasses import dataclass

import numpy as np

from eecalib.int8.ranges import TensorRange
from eengines.tensors import Array

__all__ = ["LEAST_SCALE", "Grid", "signed_grid", "unsigned_grid"]

LEAST_SCALE = float(np.finfo(np.float32).tiny)
"""Least scale whose inverse is still finite."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Scale and zero point of one tensor.

    Attributes:
        scale: distance of two neighbouring values.
        zero_point: the integer of 0.0, a scalar of the integer type.
    """

    scale: float
    zero_point: Array


def unsigned_grid(limits: TensorRange) -> Grid:
    """256 levels from `low` to `high`. A range that starts at zero has zero point 0, so rounding absorbs a ReLU."""
    scale = _scale((limits.high - limits.low) / 255)
    return Grid(scale=scale, zero_point=np.array(min(255, round(-limits.low / scale)), np.uint8))


def signed_grid(limits: TensorRange) -> Grid:
    """255 levels from −amax to amax, zero point 0."""
    return Grid(scale=_scale(limits.amax / 127), zero_point=np.array(0, np.int8))


def _scale(step: float) -> float:
    """A tensor that is always zero has any scale but 0."""
    return max(step, LEAST_SCALE) if step > 0 else 1.0
