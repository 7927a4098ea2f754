"""Tuning folded networks: images are answered and counted, groups cost, are dealt and drawn."""

from dataclasses import replace

import numpy as np
import pytest
from calib.synthetic_groups import leave_group_by_group
from calib.synthetic_traces import synthetic_data

from eecalib.expected_cost import expected_batch_ms
from eecalib.trace import play
from eecalib.tuning import Candidate, evaluate
from eecalib.tuning.batch_times import batch_times
from eecalib.tuning.cross_fit import cross_fit
from eecalib.tuning.goal import Goal
from eecalib.tuning.ladder import ladder_of
from eecalib.tuning.search import thresholds_for_budget
from eecalib.tuning.try_tuner import try_tuner
from eecalib.tuning.tuners import TUNERS, left_out_when_folded, tuners_for
from eengines.errors import UserError
from eerun.folding import GroupExit
from eerun.policies import MaxProbabilityPolicy

FOLD = 4
PLAIN = synthetic_data(240, exits=3, classes=5, seed=6)
THRESHOLDS = (0.8, 0.7)
CANDIDATE = Candidate(tuner="by hand", policy=MaxProbabilityPolicy(), thresholds=THRESHOLDS)


def grouped(rule: GroupExit = GroupExit.ALL):
    return replace(PLAIN, trace=replace(PLAIN.trace, fold=FOLD, rule=rule))


@pytest.mark.parametrize("rule", list(GroupExit))
def test_images_are_answered_and_groups_cost(rule):
    data = grouped(rule)
    table = play(CANDIDATE.policy, data.trace).table
    assert (table.fold, table.rule) == (FOLD, rule)
    answered, left = leave_group_by_group(table, THRESHOLDS)
    outcome = evaluate(CANDIDATE, data)
    np.testing.assert_array_equal(outcome.exit_index, answered)
    np.testing.assert_array_equal(outcome.left, left)
    assert outcome.correct == table.correct[np.arange(240), answered].sum()
    assert outcome.shares == pytest.approx(np.bincount(answered, minlength=3) / 240)
    assert outcome.row_shares == pytest.approx(np.bincount(left, minlength=3) / 60)
    assert outcome.reached == pytest.approx([(left >= exit_).mean() for exit_ in range(3)])
    assert outcome.tested == outcome.reached[:-1]
    assert outcome.expected_ms == expected_batch_ms(data.costs, batch=8, reached=outcome.reached)


def test_batches_of_groups_take_on_average_what_is_expected():
    data, outcome = grouped(), evaluate(CANDIDATE, grouped())
    tested = play(CANDIDATE.policy, data.trace).tested_rows
    assert tested.shape == (60, 3)
    times = batch_times(outcome.left, tested, data.costs, batch=8, batches=20_000, seed=0)
    assert times.mean() == pytest.approx(outcome.expected_ms, rel=0.01)


def test_costs_are_tabulated_by_group():
    assert grouped().cost.samples == 60
    assert PLAIN.cost.samples == 240


def test_folds_are_dealt_in_groups():
    seen = []

    def frontier(data, drops):
        seen.append(data.trace.logits)
        return TUNERS["margin"].frontier(data, drops)

    data = grouped()
    cross_fit(frontier, data, (0.0, 0.1), folds=3, deals=1)
    assert len(seen) == 3
    known = {group.tobytes() for group in data.trace.logits.reshape(60, -1)}
    for logits in seen:
        assert {group.tobytes() for group in logits.reshape(40, -1)} < known


@pytest.mark.parametrize("name", [name for name, tuner in TUNERS.items() if not tuner.by_shares])
def test_tuners_keep_drops_and_budgets(name):
    data = grouped()
    found = TUNERS[name].frontier(data, (0.0, 0.1))
    outcomes = [evaluate(each, data) for each in found]
    for outcome, drop in zip(outcomes, (0.0, 0.1), strict=True):
        assert outcome.expected_ms == pytest.approx(data.cost.full_ms) or outcome.correct >= data.required(drop)
    assert outcomes[1].expected_ms < data.cost.full_ms
    budget = 0.9 * data.cost.full_ms
    assert evaluate(TUNERS[name].within(data, budget), data).expected_ms <= budget


def test_a_budget_buys_right_answers():
    data = grouped()
    played = play(MaxProbabilityPolicy(), data.trace)
    bought = []
    for share in (0.7, 0.8, 0.9, 1.0):
        thresholds = thresholds_for_budget(played, data, share * data.cost.full_ms)
        outcome = evaluate(replace(CANDIDATE, thresholds=thresholds), data, played)
        assert outcome.expected_ms <= share * data.cost.full_ms * (1 + 1e-9)
        bought.append(outcome.correct)
    assert bought == sorted(bought)


def test_what_fitting_costs_is_searched_for():
    data = replace(synthetic_data(400, exits=3, classes=5, seed=7), seed=1)
    data = replace(data, trace=replace(data.trace, fold=FOLD))
    tried = try_tuner(TUNERS["margin"], data, Goal(max_drop=0.05, budget=None))
    assert tried.asked_drop is not None
    assert tried.asked_drop <= 0.05
    ladder = ladder_of(tried.candidate, data, 0.05, budget=None)
    costs = [evaluate(each, data).expected_ms for each in ladder]
    assert costs == sorted(costs, reverse=True)


def test_no_search_for_more_right_answers_than_there_are():
    """The final exit has all right: no drop below 0 can be kept, and what is lost there says nothing of drops above."""
    data = synthetic_data(360, exits=3, classes=5, seed=7)
    labels = data.trace.logits[:, -1].argmax(axis=1)
    data = replace(data, trace=replace(data.trace, fold=FOLD, labels=labels), reference_right=np.ones(360, np.int64))
    goal = Goal(max_drop=0.005, budget=None)
    tried = try_tuner(TUNERS["max-probability"], data, goal)
    seen = cross_fit(TUNERS["max-probability"].frontier, data, goal.drops[2:], folds=5, deals=2)
    assert seen.held_out[0] > goal.max_drop
    assert tried.asked_drop == 0
    assert tried.held_out_drop == pytest.approx(seen.held_out[0])
    outcome = evaluate(tried.candidate, data)
    assert outcome.correct == 360
    assert outcome.expected_ms < 0.95 * data.cost.full_ms


def test_tuners_of_shares_are_refused_by_name_and_left_out_of_all():
    for name in ("pame", "eenet", "eenet-exp", "eenet-simplex", "predictive-exit", "predictive-exit-published"):
        with pytest.raises(
            UserError, match=f"got '{name}', whose shares are of samples; .* folded by 4 leave in groups"
        ):
            tuners_for([name], maps=False, fold=4)
        assert name in left_out_when_folded(["all"])
    assert set(tuners_for(["all"], maps=False, fold=4)) == set(TUNERS) - set(left_out_when_folded(["all"]))
    assert left_out_when_folded(["margin"]) == ()
