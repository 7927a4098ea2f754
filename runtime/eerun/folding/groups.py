"""Images that share one pass through a folded network: a row of its graphs is a group of them."""

import numpy as np

from eengines.tensors import Array

__all__ = ["rows_of", "to_rows"]


def rows_of(images: int, fold: int) -> int:
    """Return how many rows hold so many images; the last may be filled up."""
    return -(-images // fold)


def to_rows(images: Array, fold: int) -> Array:
    """Put images together, in their order.

    Args:
        images: `[images, ...]`, at least one.
        fold: images a row.

    Returns:
        `[rows, fold, ...]`: a view where the images fill all rows, else a copy whose last row is filled up with the
        last image.
    """
    missing = -len(images) % fold
    if missing:
        images = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
    return images.reshape(-1, fold, *images.shape[1:])
