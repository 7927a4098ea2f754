"""How many samples a promise takes."""

import numpy as np
import pytest

from eecalib.certify import (
    METHODS,
    accuracy_losses,
    certify,
    disagreement_losses,
    samples_for,
    samples_needed,
    too_few_samples,
)


@pytest.mark.parametrize(
    ("method", "limit", "confidence", "samples"),
    [
        ("betting", 0.01, 0.9, 269),
        ("betting", 0.01, 0.95, 341),
        ("betting", 0.05, 0.9, 56),
        ("hoeffding-bentkus", 0.01, 0.9, 230),
        ("hoeffding-bentkus", 0.01, 0.95, 299),
        ("hoeffding-bentkus", 0.05, 0.9, 45),
    ],
)
def test_without_a_loss(method, limit, confidence, samples):
    assert samples_needed(limit, confidence, method) == samples
    for count, index in ((samples, 0), (samples - 1, None)):
        clean = disagreement_losses(np.zeros(count))
        assert certify([clean], limit=limit, confidence=confidence, method=method).index == index


def test_bets_do_with_as_many_for_a_relative_drop_and_hoeffding_and_bentkus_do_not():
    assert samples_needed(0.05, 0.95, "betting", least=-1) == samples_needed(0.05, 0.95) == 71
    count = samples_needed(0.05, 0.95, "hoeffding-bentkus", least=-1)
    assert 1700 < count < 1900

    def index(samples):
        clean = accuracy_losses(np.ones(samples), np.ones(samples))
        return certify([clean], limit=0.05, confidence=0.95, method="hoeffding-bentkus").index

    assert (index(count), index(count - 20)) == (0, None)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("relative", [False, True])
def test_about_so_many_samples_are_certified_and_a_third_of_them_mostly_not(method, relative):
    risk, limit, confidence = 0.02, 0.06, 0.9

    def losses(differs):
        return accuracy_losses(np.ones(len(differs)), ~differs) if relative else disagreement_losses(differs)

    count = samples_for(losses(np.arange(1000) < 1000 * risk), limit, confidence, method)
    random = np.random.default_rng(0)

    def shown(samples):
        draws = [losses(random.random(samples) < risk) for _ in range(100)]
        found = [certify([each], limit=limit, confidence=confidence, method=method).index for each in draws]
        return found.count(0) / len(found)

    assert shown(count // 3) < 0.5
    assert shown(count) > 0.3


def test_words():
    few = too_few_samples(disagreement_losses(np.zeros(100)), 0.01, 0.95)
    assert few == (
        "100 samples do not show a risk of at most 0.01 at a confidence of 0.95: at least 341 are needed even if none "
        "is lost"
    )
    exact = too_few_samples(disagreement_losses(np.zeros(100)), 0.01, 0.95, "hoeffding-bentkus")
    assert "at least 299 are needed" in exact
    more = too_few_samples(disagreement_losses(np.arange(500) < 4), 0.01, 0.95)
    assert "on them it is 0.008, and about" in more
    never = too_few_samples(disagreement_losses(np.arange(500) < 10), 0.01, 0.95)
    assert "more samples like these would not help" in never
