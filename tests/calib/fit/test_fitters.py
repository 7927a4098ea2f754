"""The table of fitters: what it makes can be played and stored, and it holds every policy that belongs there."""

import msgspec
import numpy as np
import pytest
from calib.fit.exit_traces import noisy_trace

from eecalib.fit import FITTERS, LEVELS, pixel_count_policies
from eecalib.trace import play
from eengines.errors import UserError
from eerun.policies import POLICIES, GatiPolicy, make_policy, parameters_of

OWN_TUNERS = {"eenet", "predictive-exit"}
"""Policies whose thresholds come out of their fit."""


@pytest.fixture(scope="module")
def trace():
    return noisy_trace(300, exits=4)


def test_every_policy_for_rows_is_there() -> None:
    assert set(FITTERS) == {name for name, policy in POLICIES.items() if policy.for_rows} - OWN_TUNERS


@pytest.mark.parametrize("name", FITTERS)
def test_what_is_fitted_can_be_stored_and_played(name: str, trace) -> None:
    fitted = FITTERS[name](trace, seed=5)
    assert fitted
    for policy in fitted:
        assert type(policy) is POLICIES[name]
        stored = msgspec.json.decode(msgspec.json.encode(parameters_of(policy)))
        again = make_policy(name, stored)
        assert again == policy
        scores = play(again, trace).table.scores
        np.testing.assert_array_equal(scores, play(policy, trace).table.scores)
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", FITTERS)
def test_the_same_seed_fits_the_same(name: str, trace) -> None:
    assert FITTERS[name](trace, seed=5) == FITTERS[name](trace, seed=5)


def test_both_forms_of_the_gate_are_tried(trace) -> None:
    forms = [policy.ordered for policy in FITTERS["gati"](trace, seed=0) if isinstance(policy, GatiPolicy)]
    assert forms == [False, True]


def test_a_network_with_one_exit_has_nothing_to_fit(trace) -> None:
    for name, fit in FITTERS.items():
        for policy in fit(trace.of_exits(()), seed=0):
            assert play(policy, trace.of_exits(())).table.scores.shape == (300, 1), name


def test_one_pixel_count_a_level() -> None:
    policies = pixel_count_policies(LEVELS, exits=3)
    assert [policy.level for policy in policies] == [(level, level) for level in LEVELS]
    assert (min(LEVELS), max(LEVELS)) == (0.5, 0.99)
    with pytest.raises(UserError, match="got levels"):
        pixel_count_policies((1.2,), exits=3)
