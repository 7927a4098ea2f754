"""Fit what predicts how easy an image is before a folded network has seen it."""

import numpy as np
from numpy.typing import NDArray

from eengines.errors import DataError
from eengines.tensors import Array
from eerun.folding import Easiness, channel_axis, image_statistics

__all__ = ["fit_easiness"]

F64 = NDArray[np.float64]

PENALTY = 1e-3
"""Of the squared coefficients of standardised statistics, times the number of images: statistics of small images are
nearly multiples of each other."""

FOLDS = 5

FEWEST_IMAGES = 50


def fit_easiness(name: str, images: Array, exit_index: NDArray[np.int32], *, seed: int) -> Easiness:
    """Return a ridge regression of the exit that an image passes on cheap statistics of its raw pixels.

    The statistics are standardised, the intercept is not penalised. The rank correlation is that of predictions for
    five parts of the images, each by a fit to the other four; 0 where these do not differ.

    Args:
        name: of the input that holds the images.
        images: `[images, ...]` of the *tune* split, raw.
        exit_index: `[images]`, the exit that each passes by itself: not where its group takes it.
        seed: deals images into parts.

    Raises:
        DataError: there are fewer than 50 images, an image has neither two nor three axes, or nothing can be predicted:
            all images pass the same exit, or no statistic differs between them.
    """
    shape = images.shape[1:]
    if len(images) < FEWEST_IMAGES or len(shape) not in (2, 3):
        got = (
            f"got {len(images)} images of shape {list(shape)}, expected at least {FEWEST_IMAGES} with two or three axes"
        )
        raise DataError("easiness", got, "Give more data, or put images together by arrival")
    axis = channel_axis(shape)
    statistics, exits = image_statistics(images, axis), exit_index.astype(np.float64)
    same = "pass the same exit" if not np.ptp(exits) else "look alike" if not np.ptp(statistics, axis=0).any() else None
    if same is not None:
        raise DataError("easiness", f"all {len(images)} images {same}", "Put images together by arrival")
    coefficients, intercept = _ridge(statistics, exits)
    return Easiness(
        input=name,
        channel_axis=axis,
        coefficients=tuple(coefficients.tolist()),
        intercept=float(intercept),
        rank_correlation=_rank_correlation(_held_out(statistics, exits, seed), exits),
    )


def _ridge(statistics: F64, exits: F64) -> tuple[F64, float]:
    """Coefficients in raw units, and the intercept."""
    mean, deviation = statistics.mean(axis=0), statistics.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    x, y = (statistics - mean) / scale, exits - exits.mean()
    solved = np.linalg.solve(x.T @ x + PENALTY * len(x) * np.eye(x.shape[1]), x.T @ y) / scale
    return solved, float(exits.mean() - mean @ solved)


def _held_out(statistics: F64, exits: F64, seed: int) -> F64:
    """Predictions `[images]`, each by a fit that has not seen the image."""
    dealt = np.random.default_rng(seed).permutation(len(exits)) % FOLDS
    predicted = np.empty_like(exits)
    for fold in range(FOLDS):
        coefficients, intercept = _ridge(statistics[dealt != fold], exits[dealt != fold])
        predicted[dealt == fold] = statistics[dealt == fold] @ coefficients + intercept
    return predicted


def _rank_correlation(first: F64, second: F64) -> float:
    """Spearman's rank correlation: Pearson's of ranks, equal values at the mean of theirs."""
    ranks = [_ranks(values) for values in (first, second)]
    deviations = [float(rank.std()) for rank in ranks]
    if 0 in deviations:
        return 0.0
    return float(((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())).mean() / (deviations[0] * deviations[1]))


def _ranks(values: F64) -> F64:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle: F64 = np.cumsum(counts) - (counts - 1) / 2
    return middle[place]
