"""Groups of images in what is recorded: images `i·f` to `i·f + f - 1` of a split share one pass of a folded network.

What an exit says of an image depends on the images beside it. So groups stay together, wherever samples are dealt,
chosen or left out. Which images are a group is dealt at random: a source may give them class after class, and images
of one class say little of an image beside others.
"""

import numpy as np
from numpy.typing import NDArray

from eengines.errors import DataError, UserError
from eerun.data import Samples

__all__ = ["check_groups", "chosen_groups", "dealt_groups", "images_of", "whole_groups"]

DEALT = 2
"""Beside the seed of the splits, so that groups are drawn apart from them."""


def whole_groups(samples: Samples, fold: int, *, where: str) -> tuple[Samples, int]:
    """Return the samples that fill whole groups, and how many are left out at the end: fewer than a group.

    Args:
        samples: in their order.
        fold: images a group; with 1 nothing is left out.
        where: what they are, for messages.

    Raises:
        DataError: they do not fill one group.
    """
    left_out = len(samples) % fold
    if len(samples) < fold:
        raise DataError(where, f"got {len(samples)} images, expected at least one group of {fold}", "Give more images")
    if not left_out:
        return samples, 0
    count = len(samples) - left_out
    labels = None if samples.labels is None else samples.labels[:count]
    return Samples(inputs={name: array[:count] for name, array in samples.inputs.items()}, labels=labels), left_out


def dealt_groups(samples: Samples, fold: int, *, seed: int, where: str) -> tuple[Samples, int]:
    """Return samples in an order drawn at random, cut to whole groups, and how many are left out: fewer than a group.

    Args:
        samples: a split, in the order of its source.
        fold: images a group; with 1 the samples stay as they are.
        seed: that of the splits; the same seed and split give the same groups.
        where: what they are, for messages.

    Raises:
        DataError: they do not fill one group.
    """
    if fold == 1:
        return samples, 0
    order = np.random.default_rng((seed, DEALT)).permutation(len(samples))
    return whole_groups(samples.take(order), fold, where=where)


def check_groups(samples: int, fold: int, *, where: str) -> None:
    """Refuse a fold factor below 1, and samples that do not fill whole groups.

    Raises:
        UserError: it is so.
    """
    if fold < 1 or samples % fold:
        raise UserError(
            where, f"got {samples} samples for groups of {fold}, expected whole groups", "Cut them with `whole_groups`"
        )


def images_of(groups: NDArray[np.int64], fold: int) -> NDArray[np.int64]:
    """Return the indices of the images of some groups, `[groups * fold] int64`, group after group."""
    if fold == 1:
        return groups
    images: NDArray[np.int64] = (groups[:, None] * fold + np.arange(fold)).reshape(-1)
    return images


def chosen_groups(images: NDArray[np.int64], fold: int, *, where: str) -> NDArray[np.int64]:
    """Return the groups that some images are, `[groups] int64`; with a fold of 1 the images.

    Args:
        images: indices of images, group after group.
        fold: images a group.
        where: what they are chosen of, for messages.

    Raises:
        UserError: they are not whole groups.
    """
    if fold == 1:
        return images
    groups: NDArray[np.int64] = images[::fold] // fold
    if not np.array_equal(images_of(groups, fold), images):
        raise UserError(
            where,
            f"got {len(images)} images that are not whole groups of {fold}, expected all images of each group",
            "Choose groups, and take their images with `images_of`",
        )
    return groups
