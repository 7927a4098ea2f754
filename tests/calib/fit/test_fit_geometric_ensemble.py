"""The weights are the best that two numbers an exit can be."""

import numpy as np
import pytest
from calib.fit.exit_traces import noisy_trace

from eecalib.fit import fit_geometric_ensemble
from eecalib.trace import ExitTrace
from eengines.errors import UserError
from eerun.policies import GeometricEnsemblePolicy


def losses(policy: GeometricEnsemblePolicy, trace: ExitTrace) -> list[float]:
    """Mean negative log-likelihood of the answers of each early exit."""
    state, found = None, []
    for exit_ in range(trace.exits - 1):
        _, state = policy.score(np.ascontiguousarray(trace.logits[:, exit_]), state, exit_index=exit_)
        product = state[0].astype(np.float64)
        largest = product.max(axis=1, keepdims=True)
        total = np.log(np.exp(product - largest).sum(axis=1)) + largest[:, 0]
        found.append(float((total - product[np.arange(trace.samples), trace.labels]).mean()))
    return found


def changed(policy: GeometricEnsemblePolicy, exit_: int, weight: float, keep: float) -> GeometricEnsemblePolicy:
    weights, carried = list(policy.weights), list(policy.carried)
    weights[exit_], carried[exit_] = max(0.0, weights[exit_] + weight), max(0.0, carried[exit_] + keep)
    return GeometricEnsemblePolicy(classes=policy.classes, weights=tuple(weights), carried=tuple(carried))


def test_no_other_weights_of_an_exit_are_better() -> None:
    trace = noisy_trace(exits=4)
    policy = fit_geometric_ensemble(trace)
    best = losses(policy, trace)
    for exit_ in range(3):
        for weight, keep in ((0.02, 0), (-0.02, 0), (0, 0.02), (0, -0.02), (0.5, 0.5), (-0.3, 0.3)):
            assert losses(changed(policy, exit_, weight, keep), trace)[exit_] >= best[exit_] - 1e-6


def test_independent_exits_are_better_together() -> None:
    tune, fresh = noisy_trace(3000, exits=4), noisy_trace(3000, exits=4, seed=1)
    policy = fit_geometric_ensemble(tune)
    assert policy.carried[0] == 0
    assert min(policy.carried[1:]) > 0.1
    state = None
    for exit_ in range(3):
        own = np.ascontiguousarray(fresh.logits[:, exit_])
        _, state = policy.score(own, state, exit_index=exit_)
        together = (policy.answer(own, state).argmax(axis=1) == fresh.labels).mean()
        alone = (own.argmax(axis=1) == fresh.labels).mean()
        assert together >= alone
    assert together > alone + 0.01


def test_an_exit_that_says_the_same_again_adds_nothing() -> None:
    trace = noisy_trace(2000, exits=2)
    twice = ExitTrace(logits=trace.logits[:, [0, 0, 1]], labels=trace.labels)
    first, second = losses(fit_geometric_ensemble(twice), twice)
    assert second == pytest.approx(first, abs=1e-5)


def test_an_exit_that_is_always_right_gets_a_finite_weight() -> None:
    trace = noisy_trace(200, exits=2)
    sure = trace.logits.copy()
    sure[np.arange(200), 0, trace.labels] += 20
    policy = fit_geometric_ensemble(ExitTrace(logits=sure, labels=trace.labels))
    assert 0 < policy.weights[0] <= 20


def test_labels_are_needed() -> None:
    with pytest.raises(UserError, match="got a trace without labels"):
        fit_geometric_ensemble(ExitTrace(logits=noisy_trace(40).logits, labels=None))
