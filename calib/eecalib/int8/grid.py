"""How many steps of an INT8 grid a range gets: what entropy and MSE weigh rounding by."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eecalib.int8.observed import Observed

__all__ = ["Grid", "steps_to"]

Grid = Literal["asymmetric", "symmetric"]
"""`asymmetric`: 255 steps from low to high, as engines on a CPU have them: a tensor that is never negative gets all 255
above zero. `symmetric`: 127 steps from zero to the largest magnitude, whatever the sign, as TensorRT has them."""


def steps_to(clips: NDArray[np.float64], observed: Observed, grid: Grid) -> NDArray[np.float64]:
    """Return how many steps lie between zero and each magnitude `clips`, `[clips] float64`, if the range ends there.

    On an asymmetric grid this is 127.5 where both signs reach the clip, 255 where one sign is missing, and between them
    where one sign ends before the clip.
    """
    if grid == "symmetric":
        return np.full(clips.shape, 127.0)
    span = np.minimum(max(observed.high, 0.0), clips) + np.minimum(max(-observed.low, 0.0), clips)
    steps: NDArray[np.float64] = 255.0 * clips / span
    return steps
