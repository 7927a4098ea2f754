"""Logistic regression that stops when samples held out say so."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_logistic"]

F64 = NDArray[np.float64]

MAX_STEPS = 500
PATIENCE = 20
"""Steps without a smaller loss on the samples held out after which the fit ends."""


def fit_logistic(inputs: F64, labels: NDArray[np.bool_], held_out: NDArray[np.bool_]) -> tuple[F64, float]:
    """Return weights `[inputs]` and bias of `P(label) = sigmoid(weights · x + bias)`.

    The mean cross-entropy of the samples that are not held out is minimised by L-BFGS, on inputs of mean 0 and
    deviation 1. After each step the mean cross-entropy of those held out is taken; the weights of the step where it was
    smallest are returned, for inputs as they were given. The start, no weights and the bias of the share of labels
    that are true, counts as a step.

    Args:
        inputs: `[samples, inputs] float64`.
        labels: `[samples] bool`.
        held_out: `[samples] bool`, those that only stop the fit; some are, and some are not.
    """
    from scipy import optimize

    mean, deviation = inputs[~held_out].mean(axis=0), inputs[~held_out].std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    standard = np.column_stack([(inputs - mean) / scale, np.ones(len(inputs))])
    signs = np.where(labels, 1.0, -1.0)
    loss = _mean_loss(standard[~held_out], signs[~held_out])
    stop = _BestStep(_mean_loss(standard[held_out], signs[held_out]), _start(standard.shape[1], labels[~held_out]))
    optimize.minimize(
        loss, stop.best, jac=True, method="L-BFGS-B", callback=stop, options={"maxiter": MAX_STEPS, "gtol": 1e-8}
    )
    weights: F64 = stop.best[:-1] / scale
    return weights, float(stop.best[-1] - weights @ mean)


class _BestStep:
    """Keeps the parameters of the step with the smallest loss; stops after `PATIENCE` steps without a smaller one."""

    def __init__(self, loss: Callable[[F64], tuple[float, F64]], start: F64) -> None:
        self._loss = loss
        self.best, self._smallest, self._waited = start, loss(start)[0], 0

    def __call__(self, parameters: F64) -> None:
        """Look at one step."""
        now = self._loss(parameters)[0]
        self._waited += 1
        if now < self._smallest:
            self.best, self._smallest, self._waited = parameters.copy(), now, 0
        if self._waited >= PATIENCE:
            raise StopIteration


def _start(parameters: int, labels: NDArray[np.bool_]) -> F64:
    """Return no weights, and the bias that gives the share of true labels, one half added to either count."""
    start = np.zeros(parameters)
    start[-1] = np.log((labels.sum() + 0.5) / ((~labels).sum() + 0.5))
    return start


def _mean_loss(inputs: F64, signs: F64) -> Callable[[F64], tuple[float, F64]]:
    """Return a function of the parameters: the mean of log(1 + exp(-sign · inputs · parameters)), and its gradient."""

    def loss(parameters: F64) -> tuple[float, F64]:
        margins = signs * (inputs @ parameters)
        wrongness = 0.5 - 0.5 * np.tanh(0.5 * margins)  # = sigmoid(-margin), never overflows
        return float(np.logaddexp(0.0, -margins).mean()), -(inputs.T @ (signs * wrongness)) / len(signs)

    return loss
