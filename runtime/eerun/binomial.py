"""The binomial distribution."""

from math import lgamma

import numpy as np
from numpy.typing import NDArray

__all__ = ["binomial"]


def binomial(count: int, share: float) -> NDArray[np.float64]:
    """Return the probabilities of 0 to `count` samples out of `count`, `[count + 1]`, for a share from 0 to 1."""
    numbers = np.arange(count + 1)
    if share in (0, 1):
        return np.where(numbers == round(share * count), 1.0, 0.0)
    choose = np.array([lgamma(count + 1) - lgamma(n + 1) - lgamma(count - n + 1) for n in numbers.tolist()])
    logs: NDArray[np.float64] = choose + numbers * np.log(share) + (count - numbers) * np.log1p(-share)
    return np.exp(logs)
