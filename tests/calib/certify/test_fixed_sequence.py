"""The last candidate that is shown is the certified one, and testing stops at the first that is not."""

import numpy as np
import pytest

from eecalib.certify import METHODS, accuracy_losses, certify, disagreement_losses, last_shown, upper_bound
from eengines.errors import UserError

SAMPLES = 2000


def candidate(risk, seed=0):
    return disagreement_losses(np.random.default_rng(seed).random(SAMPLES) < risk)


@pytest.mark.parametrize("method", METHODS)
def test_a_clearly_good_candidate_is_certified_and_a_bad_one_stops_the_test(method):
    found = certify([candidate(r) for r in (0, 0.01, 0.2, 0.01)], limit=0.05, confidence=0.95, method=method)
    assert found.index == 1, "the last one is good, but behind a bad one"
    assert [p <= 0.05 for p in found.p_values] == [True, True, False, True]
    assert [bound <= 0.05 for bound in found.bounds] == [True, True, False, True]


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_certified_where_the_slowest_fails(method):
    found = certify([candidate(0.3), candidate(0)], limit=0.05, confidence=0.95, method=method)
    assert found.index is None


def test_a_relative_drop_that_bets_can_show():
    random = np.random.default_rng(5)
    right = random.random(SAMPLES) < 0.9
    kept = right & (random.random(SAMPLES) > 0.002)
    assert certify([accuracy_losses(right, kept)], limit=0.01, confidence=0.95).index == 0


def sorted_losses():
    """1,000 clean samples, then 9,000 of which one in five is lost: what a sorted data source gives."""
    return disagreement_losses(np.concatenate([np.zeros(1000), np.arange(9000) % 5 == 0]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(5))
def test_sorted_samples_do_not_win_the_bets(method, seed):
    losses = sorted_losses()
    found = certify([losses], limit=0.05, confidence=0.95, method=method, seed=seed)
    assert found.index is None
    assert found.bounds[0] > losses.risk == 0.18
    assert upper_bound(losses, limit=0.05, confidence=0.95, method=method, seed=seed) == found.bounds[0]


def test_the_order_is_that_of_the_seed_and_the_same_for_all_candidates():
    first = candidate(0.01)
    found = certify([first, first], limit=0.05, confidence=0.95, seed=1)
    again = certify([first], limit=0.05, confidence=0.95, seed=1)
    other = certify([first], limit=0.05, confidence=0.95, seed=2)
    assert found.p_values[0] == found.p_values[1] == again.p_values[0] != other.p_values[0]
    by_default = certify([first], limit=0.05, confidence=0.95)
    assert by_default == certify([first], limit=0.05, confidence=0.95, seed=0)


def test_the_last_shown_of_many_draws():
    p_values = np.array([[0.01, 0.2, 0.01], [0.2, 0.0, 0.0], [0.05, 0.05, 0.05]])
    assert last_shown(p_values, 0.95).tolist() == [0, -1, 2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"limit": 0.0}, "limit"),
        ({"limit": 1.0}, "limit"),
        ({"confidence": 1.0}, "confidence"),
        ({"method": "luck"}, "known are betting"),
        ({"candidates": []}, "no candidate"),
    ],
)
def test_what_cannot_be_tested_is_refused(changes, words):
    given = {"candidates": [candidate(0)], "limit": 0.05, "confidence": 0.95, "method": "betting", **changes}
    with pytest.raises(UserError, match=words):
        certify(given.pop("candidates"), **given)
