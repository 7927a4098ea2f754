"""The gates find what they should, and stop where the samples held out say."""

from itertools import pairwise

import numpy as np
import pytest
from calib.fit.exit_traces import noisy_trace

from eecalib.fit import fit_gati
from eecalib.fit.logistic import fit_logistic
from eecalib.trace import ExitTrace, play
from eengines.errors import DataError


def loss(weights, bias, inputs, labels) -> float:
    return float(np.logaddexp(0, -np.where(labels, 1, -1) * (inputs @ weights + bias)).mean())


def held_out(samples: int) -> np.ndarray:
    return np.arange(samples) % 5 == 0


def test_a_known_gate_is_found() -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(3, 2, (40_000, 3)) * [1, 10, 0.1]
    z = inputs @ [1.0, -0.2, 5.0] - 1.0
    labels = random.random(len(z)) < 1 / (1 + np.exp(-z))
    weights, bias = fit_logistic(inputs, labels, held_out(len(z)))
    np.testing.assert_allclose(weights, [1.0, -0.2, 5.0], rtol=0.1)
    assert bias == pytest.approx(-1.0, abs=0.2)


def test_samples_held_out_stop_a_fit_that_learns_by_heart() -> None:
    random = np.random.default_rng(1)
    inputs, out = random.normal(size=(150, 100)), held_out(150)
    labels = random.random(150) < 0.5
    weights, bias = fit_logistic(inputs, labels, out)
    nothing = np.log(labels[~out].mean() / (~labels[~out]).mean())
    by_heart = np.linalg.lstsq(inputs[~out], np.where(labels[~out], 4.0, -4.0), rcond=None)[0]
    fitted = loss(weights, bias, inputs[out], labels[out])
    assert fitted <= loss(np.zeros(100), nothing, inputs[out], labels[out]) + 1e-3
    assert fitted < 0.5 * loss(by_heart, 0.0, inputs[out], labels[out])


@pytest.mark.parametrize("label", [False, True])
def test_labels_that_are_all_the_same_give_finite_weights(label: bool) -> None:
    inputs = np.random.default_rng(2).normal(size=(50, 3))
    inputs[:, 2] = 7.0
    weights, bias = fit_logistic(inputs, np.full(50, label), held_out(50))
    assert np.isfinite([*weights, bias]).all()
    assert ((inputs @ weights + bias > 2) == label).all()


@pytest.mark.parametrize("ordered", [False, True])
def test_the_score_is_the_probability_of_agreement(ordered: bool) -> None:
    tune, fresh = noisy_trace(4000), noisy_trace(4000, seed=1)
    policy = fit_gati(tune, ordered=ordered, seed=0)
    scores = play(policy, fresh).table.scores
    final = fresh.logits[:, -1].argmax(axis=1)
    for exit_ in range(2):
        agrees = fresh.logits[:, exit_].argmax(axis=1) == final
        for low, high in pairwise(np.quantile(scores[:, exit_], [0, 0.25, 0.5, 0.75, 1])):
            there = (scores[:, exit_] >= low) & (scores[:, exit_] <= high)
            assert agrees[there].mean() == pytest.approx(scores[there, exit_].mean(), abs=0.06)


def test_labels_of_the_data_are_not_looked_at() -> None:
    trace = noisy_trace()
    unlabelled = ExitTrace(logits=trace.logits, labels=None)
    assert fit_gati(trace, ordered=True, seed=3) == fit_gati(unlabelled, ordered=True, seed=3)
    assert fit_gati(trace, ordered=True, seed=3) != fit_gati(trace, ordered=True, seed=4)


def test_sorted_gates_have_as_many_weights_as_they_read() -> None:
    policy = fit_gati(noisy_trace(classes=30), ordered=True, seed=0)
    assert [len(weights) for weights in policy.weights] == [10, 10]
    assert [len(weights) for weights in fit_gati(noisy_trace(classes=4), ordered=True, seed=0).weights] == [4, 4]


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(DataError, match="got 9 samples to fit a gate to, expected at least 10"):
        fit_gati(noisy_trace(9), ordered=True, seed=0)
