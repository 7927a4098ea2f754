"""Fit Gati's gates: when does an exit answer like the final one?"""

import numpy as np
from numpy.typing import NDArray

from eecalib.fit.logistic import fit_logistic
from eecalib.trace import ExitTrace
from eengines.errors import DataError
from eerun.policies import GatiPolicy
from eerun.policies.gati import gate_inputs

__all__ = ["fit_gati"]

HELD_OUT = 0.2
"""The share of samples that stops the fit, as published."""

FEWEST_SAMPLES = 10


def fit_gati(trace: ExitTrace, *, ordered: bool, seed: int, top: int = 10) -> GatiPolicy:
    """Return a gate for each early exit, fitted by logistic regression to the trace alone.

    The label of a sample at an exit is whether its answer is that of the final exit; labels of the data are not needed.
    As published, a gate is fitted to all samples, also those that would have left at an exit before. A random fifth of
    them is held out, the same at all exits: L-BFGS runs on the others, and the step with the smallest cross-entropy on
    the fifth is kept.

    Args:
        trace: of the *tune* split.
        ordered: give the gate sorted log-probabilities, see `GatiPolicy`.
        seed: draws the samples that are held out.
        top: how many of the largest log-probabilities are read if `ordered`.

    Raises:
        DataError: there are fewer than 10 samples.
    """
    if trace.samples < FEWEST_SAMPLES:
        raise DataError(
            "policy gati",
            f"got {trace.samples} samples to fit a gate to, expected at least {FEWEST_SAMPLES}",
            "Give more data, or choose a policy that is not fitted",
        )
    final = trace.logits[:, -1].argmax(axis=1)
    held_out = _draw(trace.samples, seed)
    gates = []
    for exit_ in range(trace.exits - 1):
        logits = np.ascontiguousarray(trace.logits[:, exit_])
        inputs = gate_inputs(logits, ordered=ordered, top=top).astype(np.float64)
        weights, bias = fit_logistic(inputs, logits.argmax(axis=1) == final, held_out)
        gates.append((tuple(weights.astype(np.float32).tolist()), float(np.float32(bias))))
    return GatiPolicy(
        weights=tuple(weights for weights, _ in gates), bias=tuple(bias for _, bias in gates), ordered=ordered, top=top
    )


def _draw(samples: int, seed: int) -> NDArray[np.bool_]:
    """Return which samples are held out, `[samples] bool`."""
    chosen = np.random.default_rng(seed).permutation(samples)[: round(HELD_OUT * samples)]
    held_out = np.zeros(samples, np.bool_)
    held_out[chosen] = True
    return held_out
