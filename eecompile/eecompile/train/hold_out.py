"""Which training samples are held out to choose the best epoch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eecompile.train.random_streams import random_stream
from eengines.errors import DataError

__all__ = ["LEAST_SAMPLES", "hold_out"]

LEAST_SAMPLES = 4
"""Two to train on, so that a batch has statistics, and two to hold out."""

Index = NDArray[np.integer[Any]]


def hold_out(samples: int, share: float, seed: int) -> tuple[Index, Index]:
    """Divide `0..samples-1` at random; return those to train on and those held out, each in ascending order.

    Raises:
        DataError: too few samples.
    """
    if samples < LEAST_SAMPLES:
        problem = f"split 'train' has {samples} samples, expected {LEAST_SAMPLES} or more"
        raise DataError("training data", problem, "Give more samples to train on")
    held = min(max(2, round(samples * share)), samples - 2)
    order = random_stream(seed, "hold out").permutation(samples)
    return np.sort(order[held:]), np.sort(order[:held])
