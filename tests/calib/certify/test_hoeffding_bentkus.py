"""The p-value of Hoeffding and Bentkus: exact for 0 and 1, conservative between, monotone in the limit."""

from math import comb

import numpy as np
import pytest

from eecalib.certify import accuracy_losses, disagreement_losses, hb_bound, hb_p_value


def p_value(losses, limit):
    return float(hb_p_value(losses.loss, losses.base, losses.least, limit=limit))


@pytest.mark.parametrize(("lost", "samples", "limit"), [(0, 50, 0.05), (3, 50, 0.1), (50, 50, 0.3)])
def test_losses_of_0_and_1_have_the_exact_tail(lost, samples, limit):
    losses = disagreement_losses(np.arange(samples) < lost)
    tail = sum(comb(samples, k) * limit**k * (1 - limit) ** (samples - k) for k in range(lost + 1))
    assert p_value(losses, limit) == pytest.approx(tail, rel=1e-9)


def test_the_bound_of_no_error_is_the_rule_for_the_number_of_samples():
    losses = disagreement_losses(np.zeros(299))
    found = float(hb_bound(losses.loss, losses.base, losses.least, confidence=0.95))
    assert found == pytest.approx(1 - 0.05 ** (1 / 299), rel=1e-9)


def test_losses_between_take_the_smaller_of_two_bounds():
    values = np.full(200, 0.02)
    losses, samples, limit = disagreement_losses(values), 200, 0.1
    hoeffding = np.exp(-samples * (0.02 * np.log(0.02 / limit) + 0.98 * np.log(0.98 / (1 - limit))))
    bentkus = np.e * sum(comb(samples, k) * limit**k * (1 - limit) ** (samples - k) for k in range(5))
    assert p_value(losses, limit) == pytest.approx(min(hoeffding, bentkus), rel=1e-9)


def test_a_greater_limit_is_easier_to_show():
    random = np.random.default_rng(0)
    right = random.random(3000) < 0.8
    kept = right & (random.random(3000) > 0.01)
    for losses in (accuracy_losses(right, kept), disagreement_losses(random.random(3000) * 0.1)):
        found = [p_value(losses, limit) for limit in np.linspace(0.01, 0.5, 30)]
        assert found == sorted(found, reverse=True)
        bound = float(hb_bound(losses.loss, losses.base, losses.least, confidence=0.9))
        assert p_value(losses, bound + 1e-9) <= 0.1 < p_value(losses, bound - 1e-6)
