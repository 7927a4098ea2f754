"""How easy an image looks before the network has seen it: a linear function of a few cheap statistics of its pixels.

Images that are likely to leave at the same exit can so be put into one group, which then leaves as a whole. What is
predicted is only where images are put together; their answers are the network's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eengines.errors import BundleError
from eengines.tensors import Array

__all__ = ["WEAK", "Easiness", "channel_axis", "image_statistics", "statistic_names"]

WEAK = 0.2
"""A rank correlation below which predicted exits are nearly those of a coin."""

DISTANCES = (1, 2)
"""Pixels between which brightness is compared."""

BLOCK_BYTES = 1 << 22
"""Of pixels in float32 that are looked at together, so that they stay in the caches."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Easiness:
    """Predicts at which exit an image is answered, from 0 on, as a real number: the smaller, the easier.

    Attributes:
        input: name of the input that holds the images.
        channel_axis: which axis of one image holds its channels; None: it has none.
        coefficients: one for each of `statistic_names`, in the unit of the raw pixels.
        intercept: what is predicted where all statistics are 0.
        rank_correlation: Spearman's, of predicted and real exits of images that it was not fitted to, -1 to 1; None:
            not measured.
    """

    input: str
    channel_axis: int | None
    coefficients: tuple[float, ...]
    intercept: float
    rank_correlation: float | None = None

    @property
    def weakness(self) -> str | None:
        """Why images that it puts together leave hardly more together than others; None: nothing is known of that."""
        if not any(self.coefficients):
            return "what predicts easy images says the same of all of them: they stay as they are given"
        if self.rank_correlation is None or self.rank_correlation >= WEAK:
            return None
        return (
            f"what predicts easy images is weak: rank correlation {self.rank_correlation:.2f} with the exits that "
            f"answer them, below {WEAK}, so that --grouping easy brings little"
        )

    def fits(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether it can predict images of such shapes, by input name."""
        shape, axis = shapes.get(self.input, ()), self.channel_axis
        if len(shape) != (2 if axis is None else 3) or axis not in (None, 0, 1, 2):
            return False
        return len(self.coefficients) == len(statistic_names(shape, axis))

    def predict(self, inputs: Mapping[str, Array]) -> Floats:
        """Return the predicted exit `[images] float64` of raw images `[images, ...]` by input name.

        Raises:
            BundleError: it was fitted to images of another number of channels.
        """
        found = image_statistics(inputs[self.input], self.channel_axis)
        if found.shape[1] != len(self.coefficients):
            problem = f"got {len(self.coefficients)} coefficients for images with {found.shape[1]} statistics"
            raise BundleError("easiness", problem, "Fit it again with `eecompile tune`")
        return np.asarray(found @ np.asarray(self.coefficients) + self.intercept)

    def order(self, inputs: Mapping[str, Array]) -> NDArray[np.intp]:
        """Return the images `[images] intp` from easy to hard; those that look alike keep their order."""
        return np.argsort(self.predict(inputs), kind="stable")


def channel_axis(shape: tuple[int, ...]) -> int | None:
    """Return which axis of one image holds its channels: the first or the last of three, whichever is shorter."""
    if len(shape) != 3:
        return None
    return 0 if shape[0] <= shape[2] else 2


def statistic_names(shape: tuple[int, ...], axis: int | None) -> tuple[str, ...]:
    """Return what `image_statistics` computes of images of one shape, in its order."""
    differences = [f"{way} difference at {distance}" for distance in DISTANCES for way in ("vertical", "horizontal")]
    channels = [] if axis is None else [f"mean of channel {channel}" for channel in range(shape[axis])]
    return ("mean", "deviation", *differences, *channels)


def image_statistics(images: Array, axis: int | None) -> Floats:
    """Return cheap statistics of raw images, `[images, statistics] float64`.

    They are, of the brightness (the mean over channels): mean, standard deviation, mean absolute difference between
    pixels one and two rows and columns apart; and the mean of each channel. Where an image is too small for a distance
    the difference is 0.

    Args:
        images: `[images, height, width]`, or with channels at `axis` of an image.
        axis: see `channel_axis`.
    """
    return np.concatenate([_of_block(block, axis) for block in _blocks(images)])


def _blocks(images: Array) -> Iterator[Array]:
    step = max(1, BLOCK_BYTES // max(1, 4 * images[:1].size))
    return (images[start : start + step] for start in range(0, len(images), step))


def _of_block(images: Array, axis: int | None) -> Floats:
    """The statistics of some images."""
    pixels = np.asarray(images, np.float32)
    if axis is None:
        gray, channels = pixels.reshape(len(pixels), pixels.shape[1], -1), None
    else:
        gray = pixels.mean(axis=axis + 1)
        channels = pixels.mean(axis=tuple(other for other in (1, 2, 3) if other != axis + 1))
    columns = [gray.mean(axis=(1, 2)), gray.std(axis=(1, 2))]
    for distance in DISTANCES:
        columns.append(_mean_absolute(gray[:, distance:] - gray[:, :-distance]))
        columns.append(_mean_absolute(gray[:, :, distance:] - gray[:, :, :-distance]))
    found = np.stack(columns, axis=1)
    return np.asarray(found if channels is None else np.concatenate([found, channels], axis=1), np.float64)


def _mean_absolute(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each image; 0 where it has no values."""
    if not values.size:
        return np.zeros(len(values), np.float32)
    np.abs(values, out=values)
    return np.asarray(values.mean(axis=(1, 2)))
