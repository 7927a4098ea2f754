"""Predictive Exit as published: T_k of each exit, and the one factor beta, on a grid.

T_k = |mean over samples and classes of the signed logits|. Cross-entropy does not change when the same number is added
to all logits of a sample, so T_k is whatever training left it at, and beta has no scale of its own: its grid is made of
quantiles of max_c |z_c| / T_k.
"""

import numpy as np
from numpy.typing import NDArray

from eecalib.trace import ExitTrace
from eerun.policies import PredictiveExitPolicy

__all__ = ["published_policies"]

REACH = 8
"""The most exits that a forecast skips to, as published for VGG-19 and ResNet-34."""

BETAS = 32
LEAST_SCALE = 1e-6
"""Instead of a T_k that is 0."""


def published_policies(trace: ExitTrace) -> tuple[PredictiveExitPolicy, ...]:
    """Return the policy for each beta of the grid, from small (fast) to large; they start at the first exit."""
    early = np.asarray(trace.logits[:, :-1])
    typical: NDArray[np.float64] = np.maximum(np.abs(early.mean(axis=(0, 2), dtype=np.float64)), LEAST_SCALE)
    ratios = np.abs(early).max(axis=2) / typical
    betas = np.unique(np.quantile(ratios, np.linspace(0.01, 0.999, BETAS)))
    return tuple(
        PredictiveExitPolicy(
            forecast="published", start=0, reach=REACH, scales=tuple((beta * typical).astype(np.float32).tolist())
        )
        for beta in betas[betas > 0]
    )
