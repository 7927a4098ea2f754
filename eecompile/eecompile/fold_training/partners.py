"""Which images share a row."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eecompile.train.random_streams import random_stream

__all__ = ["draw_rows"]


def draw_rows(images: NDArray[np.integer[Any]], factor: int, seed: int, purpose: str, number: int) -> NDArray[np.int64]:
    """Put images into rows at random.

    Args:
        images: `[images]`, their indices.
        factor: images a row.
        seed: of the training.
        purpose: what the rows are for.
        number: of the epoch or the draw; each has other rows.

    Returns:
        `[images // factor, factor] int64`: every image at most once. Those that fill no row are left out; they are
        others in another epoch.
    """
    order = random_stream(seed, purpose, number).permutation(images).astype(np.int64)
    return order[: len(order) // factor * factor].reshape(-1, factor)
