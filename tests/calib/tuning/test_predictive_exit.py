"""Predictive Exit's tuner: drops kept, heads skipped where that pays, routes as the policy plays them."""

from dataclasses import replace

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_data

from eecalib.replay import leave_at
from eecalib.trace import play
from eecalib.tuning import Candidate, evaluate
from eecalib.tuning.predictive_exit.candidates import PREDICTIVE_TUNERS, predictive_exit_candidates
from eecalib.tuning.predictive_exit.forecast_table import every_usable, fit_table
from eecalib.tuning.predictive_exit.published import published_policies
from eecalib.tuning.predictive_exit.routes import Signals
from eecalib.tuning.predictive_exit.row_prices import RowPrices
from eecalib.tuning.predictive_exit.skipping_saves import skipping_saves
from eengines.errors import UserError
from eerun.policies import MaxProbabilityPolicy

DATA = synthetic_data(800, exits=6, classes=5, seed=20, batch=1, heads=True)
DROPS = (0.05, 0.0, 0.02)


@pytest.fixture(scope="module")
def candidates():
    return predictive_exit_candidates(DATA, DROPS)


def test_one_of_each_tuner_for_each_drop_from_slow_to_fast(candidates) -> None:
    assert [each.tuner for each in candidates] == list(PREDICTIVE_TUNERS) * 3
    for tuner in PREDICTIVE_TUNERS:
        outcomes = [evaluate(each, DATA) for each in candidates if each.tuner == tuner]
        assert [each.expected_ms for each in outcomes] == sorted((e.expected_ms for e in outcomes), reverse=True)
        for drop, outcome in zip(sorted(DROPS), outcomes, strict=True):
            assert outcome.correct >= DATA.required(drop)
            assert outcome.expected_ms <= sum(row[0] for row in DATA.costs.segment_ms)
    assert predictive_exit_candidates(DATA, DROPS, ("predictive-exit",)) == candidates[::2]


def test_skipping_heads_saves_time(candidates) -> None:
    for candidate in candidates[::2]:
        skipping, everywhere = skipping_saves(candidate, DATA)
        assert skipping == evaluate(candidate, DATA).expected_ms
        assert skipping < 0.999 * everywhere
        outcome = evaluate(candidate, DATA)
        assert sum(outcome.tested) < sum(outcome.reached[:-1])


def test_heads_in_their_segments_are_all_tested(candidates) -> None:
    fused = synthetic_data(800, exits=6, classes=5, seed=20, batch=1)
    for candidate in predictive_exit_candidates(fused, (0.02,), ("predictive-exit",)):
        skipping, everywhere = skipping_saves(candidate, fused)
        assert skipping == pytest.approx(everywhere)


def test_a_route_is_what_the_policy_plays(candidates) -> None:
    published = published_policies(DATA.trace)[10]
    for policy in (*(each.policy for each in candidates), replace(published, start=2)):
        route = Signals.of(policy, DATA.trace).route(policy.start)
        played = play(policy, DATA.trace)
        index = leave_at(played.table.scores, (1.0,) * 5)
        np.testing.assert_array_equal(route.exit_index, index)
        there = index[:, None] >= np.arange(5)
        np.testing.assert_array_equal(route.tested, played.tested[:, :-1] & there)


def test_a_drop_that_nothing_keeps_tests_nobody_early() -> None:
    for candidate in predictive_exit_candidates(DATA, (-0.9,)):
        assert candidate.policy.first_exit == 5
        assert candidate.thresholds == (None,) * 5
        outcome = evaluate(candidate, DATA)
        assert outcome.tested == (0.0,) * 5
        assert outcome.shares[-1] == 1


def test_dear_heads_are_skipped_and_free_ones_are_not() -> None:
    rho = play(MaxProbabilityPolicy(), DATA.trace).table.scores[:, :-1] / np.float32(0.9)
    usable = np.array([True, True, False, True, True])
    free = RowPrices(segments=np.ones(6), heads=np.zeros(5))
    dear = RowPrices(segments=np.ones(6), heads=np.full(5, 20.0))
    assert fit_table(rho, usable, free).next_exits[0] == (1,) * len(fit_table(rho, usable, free).next_exits[0])
    assert fit_table(rho, usable, free).start == 0
    assert fit_table(rho, usable, dear).start == 5
    middling = fit_table(rho, usable, RowPrices(segments=np.ones(6), heads=np.full(5, 0.7)))
    tested = {exit_ for row in middling.next_exits for exit_ in row}
    assert 2 not in tested
    assert any(row[0] > row[-2] for row in middling.next_exits if len(row) > 2), "the surer, the sooner tested again"


def test_every_usable_exit_is_tested_in_turn() -> None:
    table = every_usable(np.array([False, True, False, True]))
    assert table.start == 1
    assert table.next_exits == ((1, 1), (3, 3), (3, 3), (4, 4))


def test_saving_is_a_word_for_policies_that_skip() -> None:
    plain = Candidate(tuner="max-probability", policy=MaxProbabilityPolicy(), thresholds=(0.5,) * 5)
    with pytest.raises(UserError, match="got policy max-probability, which tests every head"):
        skipping_saves(plain, DATA)
