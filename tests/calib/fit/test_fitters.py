"""What is fitted can be played and stored, and every policy with parameters has something that fits it."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from calib.fit.exit_traces import noisy_trace

from eecalib.fit import LEVELS, fit_accuracy_bins, fit_gati, fit_geometric_ensemble, pixel_count_policies
from eecalib.trace import ExitTrace, play
from eengines.errors import UserError
from eerun.policies import POLICIES, ExitPolicy, make_policy, needs_data, parameters_of

FITS: dict[str, Callable[[ExitTrace], ExitPolicy]] = {
    "gati": lambda trace: fit_gati(trace, ordered=True, seed=5),
    "gati, in the order of classes": lambda trace: fit_gati(trace, ordered=False, seed=5),
    "accuracy-bins": fit_accuracy_bins,
    "geometric-ensemble": fit_geometric_ensemble,
}

OWN_TUNERS = {"eenet", "predictive-exit"}
"""Policies whose thresholds come out of their fit."""


@pytest.fixture(scope="module")
def trace():
    return noisy_trace(300, exits=4)


def test_every_policy_with_parameters_is_there() -> None:
    fitted = {name.partition(",")[0] for name in FITS} | OWN_TUNERS | {"pixel-count"}
    assert fitted == {name for name in POLICIES if needs_data(name)}


@pytest.mark.parametrize("name", FITS)
def test_what_is_fitted_can_be_stored_and_played(name: str, trace) -> None:
    policy = FITS[name](trace)
    assert type(policy) is POLICIES[name.partition(",")[0]]
    stored = msgspec.json.decode(msgspec.json.encode(parameters_of(policy)))
    again = make_policy(policy.name, stored)
    assert again == policy
    scores = play(again, trace).table.scores
    np.testing.assert_array_equal(scores, play(policy, trace).table.scores)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", FITS)
def test_the_same_trace_fits_the_same(name: str, trace) -> None:
    assert FITS[name](trace) == FITS[name](trace)


def test_both_forms_of_the_gate(trace) -> None:
    forms = [fit_gati(trace, ordered=ordered, seed=0) for ordered in (False, True)]
    assert [policy.ordered for policy in forms] == [False, True]
    assert forms[0].weights != forms[1].weights


@pytest.mark.parametrize("name", FITS)
def test_a_network_with_one_exit_has_nothing_to_fit(name: str, trace) -> None:
    only = trace.of_exits(())
    assert play(FITS[name](only), only).table.scores.shape == (300, 1)


def test_one_pixel_count_a_level() -> None:
    policies = pixel_count_policies(LEVELS, exits=3)
    assert [policy.level for policy in policies] == [(level, level) for level in LEVELS]
    assert (min(LEVELS), max(LEVELS)) == (0.5, 0.99)
    for policy in policies:
        assert make_policy("pixel-count", msgspec.json.decode(msgspec.json.encode(parameters_of(policy)))) == policy
    with pytest.raises(UserError, match="got levels"):
        pixel_count_policies((1.2,), exits=3)
