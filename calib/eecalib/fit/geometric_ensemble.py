"""Fit the weights of the geometric ensemble of exits."""

import numpy as np
from numpy.typing import NDArray

from eecalib.trace import ExitTrace
from eengines.errors import UserError
from eerun.policies import GeometricEnsemblePolicy
from eerun.policies.log_probabilities import log_probabilities

__all__ = ["fit_geometric_ensemble"]

F64 = NDArray[np.float64]

LARGEST_WEIGHT = 20.0
"""Where an exit has every sample right, ever larger weights would fit ever better."""


def fit_geometric_ensemble(trace: ExitTrace) -> GeometricEnsemblePolicy:
    """Return the ensemble whose answers have the smallest mean negative log-likelihood, exit after exit.

    At exit k it is a function of two weights, that of the ensemble before, c_k, and that of the exit, w_k: the mean of
    `log Σ_c exp(L_k,c) - L_k,label` with `L_k = c_k L_{k-1} + w_k log p_k`. It is convex in both, because L_k is linear
    in them, so L-BFGS-B within [0, 20] finds the best there is for the L_{k-1} that is carried. Two weights an exit do
    not overfit, so nothing is held out.

    Args:
        trace: of the *tune* split, with labels.

    Raises:
        UserError: the trace has no labels.
    """
    if trace.labels is None:
        raise UserError(
            "policy geometric-ensemble", "got a trace without labels, expected the right answers", "Give labels"
        )
    weights: list[float] = []
    carried: list[float] = []
    before = np.zeros((trace.samples, trace.classes))
    for exit_ in range(trace.exits - 1):
        own = log_probabilities(np.ascontiguousarray(trace.logits[:, exit_])).astype(np.float64)
        parts = np.stack([before, own])
        keep, weight = _smallest_loss(parts[1:] if exit_ == 0 else parts, trace.labels)
        before = keep * before + weight * own
        carried.append(keep)
        weights.append(weight)
    return GeometricEnsemblePolicy(classes=trace.classes, weights=tuple(weights), carried=tuple(carried))


def _smallest_loss(parts: F64, labels: NDArray[np.int64]) -> tuple[float, float]:
    """Return the weights of the ensemble before and of the exit, exact in float32.

    Args:
        parts: `[parts, samples, classes]`, L_{k-1}, unless this is the first exit, and log p_k.
        labels: `[samples]`.
    """
    from scipy import optimize, special

    rows = np.arange(len(labels))

    def loss(factors: F64) -> tuple[float, F64]:
        product = np.tensordot(factors, parts, axes=1)
        value = float((special.logsumexp(product, axis=1) - product[rows, labels]).mean())
        expected = (special.softmax(product, axis=1) * parts).sum(axis=2)
        return value, (expected - parts[:, rows, labels]).mean(axis=1)

    start = np.full(len(parts), 1 / len(parts))
    bounds = [(0.0, LARGEST_WEIGHT)] * len(parts)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x.astype(np.float32)
    keep, weight = found if len(found) == 2 else (0.0, found[0])
    return float(keep), float(weight)
