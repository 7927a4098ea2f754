"""EENet and its baselines: budgets kept on new samples, the order of candidates, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_costs, synthetic_data

from eecalib.trace import play
from eecalib.tuning import TuningData, evaluate
from eecalib.tuning.eenet.candidates import EENET_TUNERS, eenet_candidates, eenet_for_budget
from eecalib.tuning.eenet.quantile_thresholds import Quantiles
from eecalib.tuning.eenet.simplex_search import SimplexSearch
from eecalib.tuning.share_cost import ShareCost
from eengines.errors import UserError
from eerun.policies import EENetPolicy, MaxProbabilityPolicy

TUNE = synthetic_data(1500, exits=4, classes=5, seed=10)
NEW = synthetic_data(1500, exits=4, classes=5, seed=11)


@pytest.fixture(scope="module")
def candidates():
    return eenet_candidates(TUNE)


def test_candidates_go_from_slow_to_fast(candidates) -> None:
    assert [each.tuner for each in candidates] == list(EENET_TUNERS) * 12
    for tuner in EENET_TUNERS:
        ms = [evaluate(each, TUNE).expected_ms for each in candidates if each.tuner == tuner]
        assert ms == sorted(ms, reverse=True)
        assert ms[0] > 0.9 * TUNE.cost.full_ms
        assert ms[-1] < 1.35 * ShareCost(cost=TUNE.cost).least_ms
    assert all(isinstance(each.policy, EENetPolicy) for each in candidates if each.tuner == "eenet")


def test_budgets_are_kept_on_new_samples(candidates) -> None:
    cost = ShareCost(cost=TUNE.cost)
    budgets = cost.least_ms + np.arange(12, 0, -1) / 13 * (cost.most_ms - cost.least_ms)
    for index, candidate in enumerate(candidates):
        budget = budgets[index // 3]
        assert evaluate(candidate, TUNE).expected_ms <= budget
        assert 0.88 < evaluate(candidate, NEW).expected_ms / budget <= 1.005


def test_one_budget_gives_one_of_each_tuner_that_is_wanted() -> None:
    budget = 0.6 * TUNE.cost.full_ms
    found = eenet_for_budget(TUNE, budget)
    assert [each.tuner for each in found] == list(EENET_TUNERS)
    (alone,) = eenet_for_budget(TUNE, budget, ("eenet-exp",))
    assert alone == found[1]
    learned, geometric, searched = (evaluate(each, TUNE) for each in found)
    assert searched.correct >= max(geometric.correct, learned.correct) - 3
    assert max(each.expected_ms for each in (learned, geometric, searched)) <= budget


def test_a_budget_above_the_whole_chain_lets_everybody_run_to_the_end() -> None:
    for candidate in eenet_for_budget(TUNE, 2 * TUNE.cost.full_ms, ("eenet", "eenet-exp")):
        assert evaluate(candidate, TUNE).expected_ms == pytest.approx(TUNE.cost.full_ms, rel=1e-3)


def test_the_smallest_budget_lets_everybody_leave_at_the_first_exit() -> None:
    least = ShareCost(cost=TUNE.cost).least_ms
    for candidate in eenet_for_budget(TUNE, least):
        assert evaluate(candidate, NEW).expected_ms == pytest.approx(least)


def test_a_budget_below_the_first_exit_is_refused_with_the_range() -> None:
    with pytest.raises(UserError, match=r"all leave at the first exit, to .* ms, when none leaves early"):
        eenet_for_budget(TUNE, 0.5 * ShareCost(cost=TUNE.cost).least_ms)
    counted = replace(TUNE, costs=replace(TUNE.costs, engine="macs"))
    with pytest.raises(UserError, match=r"to .* million multiply-accumulates, when none leaves early"):
        eenet_for_budget(counted, 0.5 * ShareCost(cost=TUNE.cost).least_ms)


def test_two_exits() -> None:
    data = synthetic_data(200, exits=2, classes=3, seed=4)
    for candidate in eenet_for_budget(data, 0.8 * data.cost.full_ms):
        assert len(candidate.thresholds) == 1
        assert evaluate(candidate, data).expected_ms <= 0.8 * data.cost.full_ms


@pytest.mark.parametrize("exits", [3, 9])
def test_the_search_keeps_its_target_and_beats_what_it_starts_from(exits: int) -> None:
    data: TuningData = synthetic_data(300, exits=exits, classes=4, seed=6)
    table = play(MaxProbabilityPolicy(), data.trace).table
    cost = ShareCost(cost=data.cost)
    search = SimplexSearch(Quantiles(table.scores), table.against(agreement=False) > 0, cost, seed=0)
    target = 0.5 * cost.most_ms
    equal = cost.tilted(np.full(exits, 1 / exits), target)
    best = search.best(target, also=equal)
    assert cost.ms(best) <= target + 1e-9
    assert search.correct(best) > search.correct(equal)


def test_costs_of_separate_heads_count_towards_the_budget() -> None:
    costs = synthetic_costs(4, heads=True)
    apart = TuningData(trace=TUNE.trace, reference_right=TUNE.reference_right, costs=costs, batch=8, seed=0)
    assert ShareCost(cost=apart.cost).least_ms > ShareCost(cost=TUNE.cost).least_ms
    (candidate,) = eenet_for_budget(apart, 0.7 * apart.cost.full_ms, ("eenet-exp",))
    assert 0.6 * apart.cost.full_ms < evaluate(candidate, apart).expected_ms <= 0.7 * apart.cost.full_ms
