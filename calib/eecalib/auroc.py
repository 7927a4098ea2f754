"""How well a score tells right answers from wrong ones."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["auroc"]


def auroc(scores: NDArray[np.float32], right: NDArray[np.bool_]) -> float | None:
    """Return the area under the ROC curve: the chance that a right answer scores higher than a wrong one.

    Ties count a half (Mann and Whitney's U over the number of pairs). None: all answers are right, or all are wrong.

    Args:
        scores: `[samples]`.
        right: `[samples]`.
    """
    positives = int(right.sum())
    negatives = len(right) - positives
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[inverse]
    return float((ranks[right].sum() - positives * (positives + 1) / 2) / (positives * negatives))
