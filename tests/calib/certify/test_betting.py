"""Bets: the p-value, the e-value and the bound agree, and hold for any order and any number of samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eecalib.certify import accuracy_losses, disagreement_losses, place_bets, upper_bound
from eengines.errors import DataError, UserError

LIMIT, CONFIDENCE = 0.05, 0.9


def bets_on(losses, *, limit=LIMIT, confidence=CONFIDENCE):
    return place_bets(losses.loss[None], losses.base[None], limit=limit, confidence=confidence)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), samples=st.integers(1, 400), risk=st.floats(0, 0.3), accuracy=st.floats(0.3, 1))
def test_the_bound_is_within_the_limit_just_where_the_claim_is_shown(seed, samples, risk, accuracy):
    random = np.random.default_rng(seed)
    right = random.random(samples) < accuracy
    kept = right & (random.random(samples) > risk)
    for losses in (accuracy_losses(right, kept), disagreement_losses(right != kept)):
        bets = bets_on(losses)
        bound = float(bets.bound(CONFIDENCE))
        assert 0 <= bound <= 1
        assert (bound <= LIMIT) == (float(bets.p_value(LIMIT)) <= 1 - CONFIDENCE)
        assert float(bets.p_value(LIMIT)) == min(1.0, 1 / float(bets.e_values(LIMIT)[0]))
        assert losses.risk <= LIMIT or bound > LIMIT, "what these samples contradict is never promised"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), cut=st.integers(0, 99))
def test_a_bet_knows_earlier_samples_only(seed, cut):
    loss = (np.random.default_rng(seed).random(100) < 0.2).astype(float)
    changed = np.concatenate([loss[:cut], 1 - loss[cut:]])
    before = bets_on(disagreement_losses(loss)).shares[0]
    after = bets_on(disagreement_losses(changed)).shares[0]
    assert np.array_equal(before[: cut + 1], after[: cut + 1])
    assert ((before > 0) & (before < 1)).all()


def test_many_draws_at_once_are_what_each_is_alone():
    random = np.random.default_rng(1)
    loss = (random.random((5, 3, 200)) < 0.02).astype(float)
    together = place_bets(loss[..., None, :], np.ones_like(loss)[..., None, :], limit=LIMIT, confidence=CONFIDENCE)
    alone = [[bets_on(disagreement_losses(each)) for each in draw] for draw in loss]
    assert np.array_equal(together.p_value(LIMIT), [[float(b.p_value(LIMIT)) for b in row] for row in alone])
    assert np.array_equal(together.bound(CONFIDENCE), [[float(b.bound(CONFIDENCE)) for b in row] for row in alone])


def test_the_e_value_of_a_false_claim_has_a_mean_of_at_most_one():
    draws = 40_000
    loss = (np.random.default_rng(2).random((draws, 60)) < LIMIT).astype(float)
    found = place_bets(loss[:, None], np.ones_like(loss)[:, None], limit=LIMIT, confidence=CONFIDENCE).e_values(LIMIT)
    assert found.mean() <= 1 + 4 * found.std() / np.sqrt(draws)


def test_bounds_contain_the_risk_as_often_as_promised():
    draws, risk = 4_000, 0.03
    loss = (np.random.default_rng(3).random((draws, 300)) < risk).astype(float)
    missed = (
        place_bets(loss[:, None], np.ones_like(loss)[:, None], limit=LIMIT, confidence=CONFIDENCE).bound(CONFIDENCE)
        < risk
    ).mean()
    noise = 4 * np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / draws)
    assert missed <= 1 - CONFIDENCE + noise


def test_a_relative_drop_is_relative():
    """Half of the samples are right: losing 2 of 200 is a drop of 2 %, not of 1 %."""
    right = np.arange(400) < 200
    kept = right & (np.arange(400) >= 2)
    losses = accuracy_losses(right, kept)
    assert losses.risk == pytest.approx(0.01)
    assert accuracy_losses(right, right).risk == 0
    assert accuracy_losses(kept, right).risk < 0
    assert upper_bound(losses, limit=0.05, confidence=0.9, method="betting") > 0.01


def test_losses_outside_of_their_range_are_refused():
    with pytest.raises(UserError, match="outside of 0 to 1"):
        disagreement_losses(np.array([0.0, 1.5]))
    with pytest.raises(UserError, match="expected \\[samples\\] twice"):
        accuracy_losses(np.zeros(3, bool), np.zeros((3, 3), bool))
    with pytest.raises(DataError, match="no sample"):
        disagreement_losses(np.zeros(0))
