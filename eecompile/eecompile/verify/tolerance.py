"""How far the answers of a configuration may be from what they are compared with."""

from collections.abc import Mapping
from math import floor

import numpy as np

from eecompile.build.check_chain import LOGIT_TOLERANCE
from eecompile.relative_error import relative_error
from eecompile.verify.sampling import largest_share, most_expected
from eengines.tensors import Array

__all__ = ["ALLOWED_ERROR", "least_agreement", "logit_error"]

ALLOWED_ERROR: Mapping[str, float] = {"float32": LOGIT_TOLERANCE, "float16": 2**-6, "bfloat16": 2**-3, "int8": 2**-2}
"""Largest `logit_error` of each precision.

A half type rounds every value by a relative 2⁻¹¹ (float16) or 2⁻⁸ (bfloat16) at most, and independent roundings of L
layers in a row add up to √L of it at the logits; 32 roundings' worth is allowed, which is what a thousand layers make.
INT8 rounds by 2⁻⁹ of a value's range, of which most values are only a tenth, so its roundings are an order of magnitude
larger than bfloat16's: measured are 0.02 for networks of 20 to 60 layers. A chain and a whole network in INT8 differ
alike, because survivors have other ranges than all samples. A wrong graph is off by about 1: logits that have nothing
to do with the expected ones by √2, constant ones by 1.
"""

CHANCE = 1e-3
"""That a bundle which keeps its promise is refused, for each of the two draws of samples, *tune* and those compared."""


def logit_error(got: Array, expected: Array, precision: str) -> float:
    """Return how far logits `[samples, classes, ...]` are off.

    In float32 it is the largest difference in units of the spread. In other precisions, where the largest of many
    roundings grows with the number of samples, it is the root mean square difference in units of the expected logits'
    standard deviation. Infinite where a logit is not finite.
    """
    if precision == "float32":
        return relative_error(got, expected)
    if not (np.isfinite(got).all() and np.isfinite(expected).all()):
        return float("inf")
    difference = got.astype(np.float64) - expected
    spread = max(float(expected.std(dtype=np.float64)), float(np.finfo(np.float32).tiny))
    return float(np.sqrt(np.mean(np.square(difference)))) / spread


def least_agreement(max_quant_drop: float, *, tune_samples: int, samples: int) -> float:
    """Return the share of samples that must be answered as in float32.

    The build saw at most `max_quant_drop` of the *tune* samples answered otherwise. Of all samples it may be more, by
    what *tune* may have missed (Clopper–Pearson), and of the samples compared more again, by what they may have drawn
    (binomial); both by chance `CHANCE`. Shares of pixels are held to the same: the mean of shares that lie between 0
    and 1 spreads no more than that of samples which are wholly right or wrong.

    Args:
        max_quant_drop: what the build allowed.
        tune_samples: how many samples the build looked at.
        samples: how many are compared here.
    """
    seen = floor(max_quant_drop * tune_samples + 1e-9)
    share = largest_share(seen, tune_samples, chance=CHANCE)
    return 1 - most_expected(share, samples, chance=CHANCE) / samples
