"""EENet's learned exit scores: a linear score for each exit, fitted to whether the exit is right.

    L = (1 / K) Σ_k Σ_n w_nk · BCE(min(max(q_nk, 0), 1), 1[exit k is right about n]),   w_nk = r_nk / Σ_n r_nk

with r_nk how much of sample n is assigned to exit k. Source: Ilhan et al., EENet, WACV 2024. The gradient is written
out: a score reaches the loss of its own exit, and through the clamp those of all later exits.
"""

import numpy as np

from eecalib.tuning.eenet.features import ExitFeatures
from eecalib.tuning.share_cost import F64
from eerun.policies import EENetPolicy

__all__ = ["all_scores", "fit_scores", "initial_weights", "policy_of", "score_loss"]

SURE = 1e-3
"""The cross-entropy looks at scores clamped to [SURE, 1 − SURE], so that one sure mistake does not outweigh all."""

STAY = 1e-3
"""Times half the squared distance to the initial weights is added to the loss; the paper stops its training early."""


def initial_weights(exits: int, classes: int) -> F64:
    """Return weights `[exits, classes + 2 + exits]` whose score is the largest probability.

    A row holds those of the class probabilities, of the two confidences, and of past scores; those of an exit's own
    score and of later ones are 0 and stay so.
    """
    weights = np.zeros((exits, classes + 2 + exits))
    weights[:, classes] = 1
    return weights


def all_scores(weights: F64, features: ExitFeatures) -> F64:
    """Return the scores of all exits, `[exits, samples] float64`."""
    width = features.classes + 2
    scores = np.empty((features.exits, features.samples))
    clamped = np.zeros((features.exits, features.samples))
    for exit_, row in enumerate(weights):
        scores[exit_] = features.values[exit_] @ row[:width] + row[width : width + exit_] @ clamped[:exit_]
        clamped[exit_] = np.clip(scores[exit_], 0, 1)
    return scores


def score_loss(weights: F64, features: ExitFeatures, assigned: F64) -> tuple[float, F64]:
    """Return the loss and its gradient, in the shape of the weights.

    Args:
        weights: as `initial_weights` gives them.
        features: of the samples.
        assigned: `[exits, samples]`, r.
    """
    exits, width = features.exits, features.classes + 2
    scores = all_scores(weights, features)
    clamped = np.clip(scores, 0, 1)
    seen = np.clip(scores, SURE, 1 - SURE)
    share = assigned / np.maximum(assigned.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny) / exits
    entropy = -np.log(np.where(features.right > 0, seen, 1 - seen))
    moves = np.where(features.right > 0, -1 / seen, 1 / (1 - seen)) * (scores == seen)
    by_score = share * moves
    away = weights - initial_weights(exits, features.classes)
    gradient = STAY * away
    inside = scores == clamped
    for exit_ in reversed(range(exits)):
        gradient[exit_, :width] += by_score[exit_] @ features.values[exit_]
        gradient[exit_, width : width + exit_] += clamped[:exit_] @ by_score[exit_]
        by_score[:exit_] += weights[exit_, width : width + exit_, None] * by_score[exit_] * inside[:exit_]
    return float((share * entropy).sum() + STAY / 2 * (away**2).sum()), gradient


def fit_scores(weights: F64, features: ExitFeatures, assigned: F64, *, iterations: int) -> F64:
    """Return better weights (L-BFGS from the given ones; the same for the same arguments)."""
    from scipy.optimize import minimize

    def loss(flat: F64) -> tuple[float, F64]:
        value, gradient = score_loss(flat.reshape(weights.shape), features, assigned)
        return value, gradient.ravel()

    found = minimize(loss, weights.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": iterations})
    better: F64 = np.asarray(found.x, np.float64).reshape(weights.shape)
    return better


def policy_of(weights: F64) -> EENetPolicy:
    """Return the policy of these weights, rounded to float32 as they are used."""
    classes = weights.shape[1] - 2 - weights.shape[0]
    rounded = weights.astype(np.float32)
    return EENetPolicy(
        class_weights=tuple(tuple(row[:classes].tolist()) for row in rounded),
        feature_weights=tuple(tuple(row[classes : classes + 2 + exit_].tolist()) for exit_, row in enumerate(rounded)),
    )
