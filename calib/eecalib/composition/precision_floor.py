"""Raise thresholds until those that leave at each exit are answered well enough."""

import numpy as np
from numpy.typing import NDArray

from eecalib.thresholds.problem import Thresholds, cuts

__all__ = ["raise_to_precision"]


def raise_to_precision(
    scores: NDArray[np.float32], good: NDArray[np.int64], thresholds: Thresholds, min_precision: float
) -> Thresholds:
    """Return thresholds with which, at each exit, at least this share of those that leave there is good.

    Exits are looked at from shallow to deep, because who reaches one depends on those before. Where the share is too
    small, the threshold becomes the lowest above it with which it is not; None where there is none.

    Args:
        scores: `[samples, exits] float32`.
        good: `[samples, exits] int64`, whether an answer is good.
        thresholds: one for each exit but the last.
        min_precision: the share.
    """
    alive = np.ones(len(scores), np.bool_)
    raised: list[float | None] = []
    for exit_, threshold in enumerate(thresholds):
        if threshold is None:
            raised.append(None)
            continue
        rows = np.flatnonzero(alive & (scores[:, exit_] >= np.float32(threshold)))
        rows = rows[np.argsort(-scores[rows, exit_], kind="stable")]
        ordered = scores[rows, exit_]
        options = cuts(ordered)[1:] if len(rows) else np.zeros(0, np.int64)
        precise = options[np.cumsum(good[rows, exit_])[options - 1] >= min_precision * options]
        if not len(precise):
            raised.append(None)
            continue
        count = int(precise[-1])
        raised.append(threshold if count == len(rows) else float(ordered[count - 1]))
        alive[rows[:count]] = False
    return tuple(raised)
