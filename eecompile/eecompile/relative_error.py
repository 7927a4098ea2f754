"""How far two sets of logits are apart."""

import numpy as np

from eengines.tensors import Array

__all__ = ["relative_error"]

MIN_SPREAD = 1e-3
"""Logits that are all equal have no spread to compare with; below this much the difference is taken as it is."""


def relative_error(got: Array, expected: Array) -> float:
    """Return the greatest difference of any logit, in units of the spread (greatest less least) of the expected ones.

    Infinite where a value is not finite.
    """
    if not (np.isfinite(got).all() and np.isfinite(expected).all()):
        return float("inf")
    spread = max(float(expected.max() - expected.min()), MIN_SPREAD)
    return float(np.abs(got.astype(np.float64) - expected).max()) / spread
