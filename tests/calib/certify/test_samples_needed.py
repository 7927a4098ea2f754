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


@pytest.mark.parametrize(("limit", "confidence", "samples"), [(0.01, 0.9, 230), (0.01, 0.95, 299), (0.05, 0.9, 45)])
def test_without_an_error(limit, confidence, samples):
    assert samples_needed(limit, confidence) == samples
    good = disagreement_losses(np.zeros(samples))
    one_less = disagreement_losses(np.zeros(samples - 1))
    assert certify([good], limit=limit, confidence=confidence, method="hoeffding-bentkus").index == 0
    for method in ("betting", "hoeffding-bentkus"):
        assert certify([one_less], limit=limit, confidence=confidence, method=method).index is None


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
        "100 samples do not show a risk of at most 0.01 at a confidence of 0.95: at least 299 are needed even if none "
        "is lost"
    )
    more = too_few_samples(disagreement_losses(np.arange(500) < 4), 0.01, 0.95)
    assert "on them it is 0.008, and about" in more
    never = too_few_samples(disagreement_losses(np.arange(500) < 10), 0.01, 0.95)
    assert "more samples like these would not help" in never
