"""Measure how often answers of a confidence are right."""

import numpy as np
from numpy.typing import NDArray

from eecalib.trace import ExitTrace
from eengines.errors import UserError
from eerun.policies import AccuracyBinsPolicy, MaxProbabilityPolicy

__all__ = ["fit_accuracy_bins"]

MOST_BINS = 50
FEWEST_SAMPLES = 30
"""Of a bin. With 30 samples an accuracy of 0.9 is known to about ±0.05 (one standard error)."""

NARROWEST_GAP = 1e-6
"""Between the confidences on both sides of an edge: engines round a softmax differently by some 1e-7."""


def fit_accuracy_bins(trace: ExitTrace) -> AccuracyBinsPolicy:
    """Return bins of confidence for each early exit, and the share of right answers in each, taken from all samples.

    Bins have about the same number of samples: at most 50 bins, of at least 30 samples, where there are as many.

    Args:
        trace: of the *tune* split, with labels.

    Raises:
        UserError: the trace has no labels.
    """
    if trace.labels is None:
        raise UserError(
            "policy accuracy-bins", "got a trace without labels, expected the right answers", "Give data with labels"
        )
    edges, accuracy = [], []
    for exit_ in range(trace.exits - 1):
        logits = np.ascontiguousarray(trace.logits[:, exit_])
        largest, _ = MaxProbabilityPolicy().score(logits, None, exit_index=exit_)
        order = np.argsort(largest, kind="stable")
        cuts = _cuts(largest[order])
        right = (logits.argmax(axis=1) == trace.labels)[order]
        edges.append(tuple(_between(largest[order], cut) for cut in cuts))
        accuracy.append(tuple(float(part.mean(dtype=np.float32)) for part in np.split(right, cuts)))
    return AccuracyBinsPolicy(edges=tuple(edges), accuracy=tuple(accuracy))


def _cuts(ascending: NDArray[np.float32]) -> list[int]:
    """Return where the next bin starts: as many samples further on, at the first gap that is wide enough."""
    count = len(ascending)
    size = -(-count // max(1, min(MOST_BINS, count // FEWEST_SAMPLES)))
    gaps = np.flatnonzero(np.diff(ascending) >= NARROWEST_GAP) + 1
    cuts: list[int] = []
    start = 0
    while True:
        found = gaps[np.searchsorted(gaps, start + size) :]
        if not len(found) or count - found[0] < FEWEST_SAMPLES:
            return cuts
        start = int(found[0])
        cuts.append(start)


def _between(ascending: NDArray[np.float32], cut: int) -> float:
    """Return the middle between the confidences on both sides of a cut, exact in float32."""
    return float(np.float32((float(ascending[cut - 1]) + float(ascending[cut])) / 2))
