"""The test martingale: false alarms are rare, and a shift is found soon, also after a long time."""

import numpy as np
import pytest

from eerun.shadow import DisagreementTest

LIMIT, CONFIDENCE = 0.05, 0.9


def samples_until_alarm(values, *, limit=LIMIT, confidence=CONFIDENCE):
    test = DisagreementTest(limit, confidence)
    test.add(values)
    return test.samples if test.alarmed else None


@pytest.mark.parametrize("of_maps", [False, True])
def test_false_alarms_are_as_rare_as_promised(of_maps):
    """At the limit itself, which is the worst case. Four standard deviations of the share may come on top."""
    random, draws, samples = np.random.default_rng(0), 300, 600
    alarms = 0
    for _ in range(draws):
        values = random.random(samples) < LIMIT
        if of_maps:
            values = random.beta(0.1, 0.1 * (1 - LIMIT) / LIMIT, samples)
        alarms += samples_until_alarm(values.tolist()) is not None
    noise = 4 * np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / draws)
    assert alarms / draws <= 1 - CONFIDENCE + noise


def test_the_martingale_is_one_in_the_mean():
    random, draws = np.random.default_rng(1), 2000
    wealth = []
    for _ in range(draws):
        test = DisagreementTest(0.2, 1 - 1e-12)
        test.add((random.random(20) < 0.2).tolist())
        wealth.append(np.exp(test.log_wealth))
    assert np.mean(wealth) == pytest.approx(1, abs=5 * np.std(wealth) / np.sqrt(draws))


@pytest.mark.parametrize(("before", "most"), [(0, 150), (5_000, 300)])
def test_a_shift_is_found(before, most):
    random = np.random.default_rng(2)
    for _ in range(10):
        good = random.random(before) < LIMIT / 2
        shifted = random.random(2_000) < 4 * LIMIT
        found = samples_until_alarm([*good.tolist(), *shifted.tolist()])
        assert found is not None
        assert found <= before + most


def test_after_an_alarm_nothing_is_looked_at():
    test = DisagreementTest(0.01, 0.5)
    test.add([1.0] * 20)
    assert test.alarmed
    seen = test.samples
    assert seen < 20
    test.add([0.0] * 50)
    assert (test.samples, test.alarmed) == (seen, True)


def test_samples_one_by_one_or_together_are_the_same():
    values = (np.random.default_rng(3).random(300) < 0.1).tolist()
    together, alone = DisagreementTest(0.05, 0.999), DisagreementTest(0.05, 0.999)
    together.add(values)
    for value in values:
        alone.add([value])
    assert (together.log_wealth, together.samples, together.total) == (alone.log_wealth, alone.samples, alone.total)


@pytest.mark.parametrize("limit", [0.001, 0.3, 0.9])
def test_wealth_stays_positive_whatever_comes(limit):
    for values in ([0.0] * 2000, [1.0] * 5, [0.5, 0.0, 1.0] * 50):
        test = DisagreementTest(limit, 1 - 1e-15)
        test.add(values)
        assert np.isfinite(test.log_wealth)
