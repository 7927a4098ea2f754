"""Images that share one pass through a folded network: a row of its graphs is a group of them."""

import numpy as np

from eengines.tensors import Array

__all__ = ["by_image", "fill_rows", "rows_of", "to_rows"]


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


def by_image(rows: Array, fold: int) -> Array:
    """Return a view `[rows * fold, ...]` of a contiguous buffer `[rows, fold, ...]`; with a fold of 1 itself."""
    return rows if fold == 1 else rows.reshape(-1, *rows.shape[2:])


def fill_rows(buffer: Array, images: Array, fold: int) -> None:
    """Copy images to the front of a buffer, and fill up the last row with the last image.

    Args:
        buffer: `[rows * fold, ...]`, what `by_image` returns.
        images: `[images, ...]`, at least one, at most as many as the buffer holds.
        fold: images a row.
    """
    count = len(images)
    buffer[:count] = images
    if fold > 1:
        buffer[count : rows_of(count, fold) * fold] = images[-1]
