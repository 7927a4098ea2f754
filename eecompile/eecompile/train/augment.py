"""Shifted and mirrored copies of raw images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eecompile.input_info import InputInfo
from eengines.errors import UserError
from eengines.tensors import Array

__all__ = ["CropFlip", "draw_crop_flip", "refuse_other_than_images", "shifted"]

SHARE_OF_SIDE = 8
"""An image is shifted by up to its side divided by this: 4 pixels of 32."""

Index = NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class CropFlip:
    """What is done to each sample, drawn once, so that a sample's copy does not depend on its batch.

    Attributes:
        down: `[samples] int64`, by how many rows of pixels the content moves, negative: up.
        right: `[samples] int64`, by how many columns it moves before it is mirrored.
        mirrored: `[samples] bool`, whether left and right change places.
    """

    down: NDArray[np.int64]
    right: NDArray[np.int64]
    mirrored: NDArray[np.bool_]

    def take(self, index: Index) -> "CropFlip":
        """The part for the samples at `index`."""
        return CropFlip(down=self.down[index], right=self.right[index], mirrored=self.mirrored[index])


def draw_crop_flip(random: np.random.Generator, samples: int, height: int, width: int) -> CropFlip:
    """Draw shifts of up to 1/8 of the side (at least 1 pixel), and mirrors for half of the samples."""
    most_down, most_right = max(1, height // SHARE_OF_SIDE), max(1, width // SHARE_OF_SIDE)
    return CropFlip(
        down=random.integers(-most_down, most_down + 1, samples),
        right=random.integers(-most_right, most_right + 1, samples),
        mirrored=random.integers(0, 2, samples).astype(bool),
    )


def shifted(images: Array, change: CropFlip, *, rows: int, columns: int, fill: float) -> Array:
    """Return images with their content moved and mirrored.

    Args:
        images: `[batch, ...]` of any type.
        change: one entry for each of them.
        rows: the axis of `images` that runs down.
        columns: the axis that runs to the right.
        fill: what stands where the content moved away.
    """
    height, width = images.shape[rows], images.shape[columns]
    from_row = np.arange(height) - change.down[:, None]
    from_column = np.where(change.mirrored[:, None], np.arange(width)[::-1], np.arange(width)) - change.right[:, None]
    outside = ~_inside(from_row, height)[:, :, None] | ~_inside(from_column, width)[:, None, :]
    spread = np.moveaxis(images, (rows, columns), (1, 2))
    batch = np.arange(len(images))[:, None, None]
    moved = spread[batch, from_row.clip(0, height - 1)[:, :, None], from_column.clip(0, width - 1)[:, None, :]]
    moved[outside] = fill
    return np.moveaxis(moved, (1, 2), (rows, columns))


def refuse_other_than_images(inputs: Sequence[InputInfo]) -> None:
    """Refuse to shift and mirror what is not an image.

    Raises:
        UserError: several inputs, or one without the layout of an image.
    """
    if len(inputs) == 1 and inputs[0].layout is not None:
        return
    got = ", ".join(f"'{info.name}' {list(info.shape)} with layout {info.layout}" for info in inputs)
    raise UserError(
        "--augmentation crop-flip",
        f"got {got}, expected one image with layout NCHW or NHWC",
        "Leave it out, or give the input its layout",
    )


def _inside(index: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    return (index >= 0) & (index < size)
