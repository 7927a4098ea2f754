"""Every tuner: found by name, the same each time, one candidate a drop, kept on its samples, and fit to be stored."""

import msgspec
import numpy as np
import pytest
from calib.synthetic_maps import EXITS, map_trace
from calib.synthetic_traces import synthetic_costs, synthetic_data

from eecalib.trace import ExitTrace, play
from eecalib.tuning import TuningData, evaluate
from eecalib.tuning.cross_fit import cross_fit
from eecalib.tuning.goal import Goal
from eecalib.tuning.logits_of import logits_of
from eecalib.tuning.try_tuner import LEAST_SAMPLES, try_tuner
from eecalib.tuning.tuners import MAP_TUNERS, TUNERS, tuners_for
from eengines.errors import UserError
from eerun.policies import MaxProbabilityPolicy, make_policy, parameters_of

DATA = synthetic_data(160, exits=3, classes=4, seed=1, heads=True)
AGAIN = synthetic_data(160, exits=3, classes=4, seed=1, heads=True)
DROPS = (-0.01, 0.0, 0.02, 0.1)
MAPS = map_trace(80, seed=3)


def maps_data() -> TuningData:
    """Maps, relative to their own final exit."""
    return TuningData(
        trace=MAPS,
        reference_right=((MAPS.answers[:, -1] == MAPS.labels) & (MAPS.labels != MAPS.ignored)).sum(axis=(1, 2)),
        costs=synthetic_costs(EXITS),
        batch=8,
        seed=0,
    )


CASES = [(name, False) for name in TUNERS] + [(name, True) for name in MAP_TUNERS]


def tuner_and_data(name, maps):
    return (MAP_TUNERS[name], maps_data()) if maps else (TUNERS[name], DATA)


@pytest.mark.parametrize(("name", "maps"), CASES)
def test_one_candidate_a_drop_that_is_kept_and_can_be_stored(name, maps):
    tuner, data = tuner_and_data(name, maps)
    found = tuner.frontier(data, DROPS)
    assert len(found) == len(DROPS)
    for drop, candidate in zip(DROPS, found, strict=True):
        assert candidate.tuner == name
        assert len(candidate.thresholds) == data.trace.exits - 1
        outcome = evaluate(candidate, data)
        if any(share > 0 for share in outcome.shares[:-1]):
            assert outcome.correct >= data.required(drop)
        stored = msgspec.json.decode(msgspec.json.encode(parameters_of(candidate.policy)))
        assert make_policy(candidate.policy.name, stored) == candidate.policy
    costs = [evaluate(candidate, data).expected_ms for candidate in found]
    assert costs[-1] < min(costs[0], data.cost.full_ms)
    for candidate in found:
        for threshold in candidate.thresholds:
            assert threshold is None or np.isfinite(threshold)


@pytest.mark.parametrize(("name", "maps"), CASES)
def test_the_same_samples_give_the_same(name, maps):
    tuner, data = tuner_and_data(name, maps)
    assert tuner.frontier(data, DROPS) == tuner.frontier(maps_data() if maps else AGAIN, DROPS)


@pytest.mark.parametrize(("name", "maps"), CASES)
def test_a_budget_is_kept_with_room_for_new_samples(name, maps):
    tuner, data = tuner_and_data(name, maps)
    budget = 0.7 * data.cost.full_ms
    outcome = evaluate(tuner.within(data, budget), data)
    assert data.costs.run_ms(0, 8) <= outcome.expected_ms < 0.99 * budget


@pytest.mark.parametrize("name", ["max-probability", "pame"])
def test_new_samples_keep_a_budget(name):
    for seed in range(6):
        data = synthetic_data(300, exits=3, classes=4, seed=seed)
        fresh = synthetic_data(3000, exits=3, classes=4, seed=100 + seed)
        budget = 0.7 * data.cost.full_ms
        assert evaluate(TUNERS[name].within(data, budget), fresh).expected_ms <= budget


def test_pame_takes_thresholds_of_the_published_grid():
    grid = {None, *(np.arange(21) / 20).astype(np.float32).tolist()}
    for candidate in TUNERS["pame"].frontier(DATA, DROPS):
        assert set(candidate.thresholds) <= grid


def test_pame_does_not_round_up():
    """Where early exits are right they score a hair below 0.9, and the final one is wrong; elsewhere it is right."""
    logits = np.zeros((20, 3, 4), np.float32)
    logits[:10, :2] = np.log([0.9 - 2e-7, 0.05, 0.03, 0.02 + 2e-7])
    logits[10:, :2, 1] = 0.1
    logits[:10, 2, 1] = logits[10:, 2, 0] = 9
    trace = ExitTrace(logits=logits, labels=np.zeros(20, np.int64))
    right = (np.arange(20) >= 10).astype(np.int64)
    data = TuningData(trace=trace, reference_right=right, costs=DATA.costs, batch=8, seed=0)
    scores = play(MaxProbabilityPolicy(), trace).table.scores[:10, :2]
    assert ((scores < np.float32(0.9)) & (scores > 0.89999)).all()
    (candidate,) = TUNERS["pame"].frontier(data, (-1.0,))
    assert candidate.thresholds == (float(np.float32(0.85)), None)
    assert evaluate(candidate, data).correct == data.required(-1.0) == 20


def test_skipping_is_said_of_the_policies_that_skip():
    for name, tuner in TUNERS.items():
        (candidate,) = tuner.frontier(DATA, (0.02,))
        assert tuner.skips == (candidate.policy.skips_by is not None), name


def test_found_by_name():
    assert tuners_for(["all"], maps=False) == dict(TUNERS)
    assert tuners_for(["margin", "all"], maps=True) == dict(MAP_TUNERS)
    assert list(tuners_for(["margin", "pame", "margin"], maps=False)) == ["margin", "pame"]


@pytest.mark.parametrize(
    ("name", "maps", "problem"),
    [
        ("gati", True, "'gati', which is no policy for a network that answers every pixel"),
        ("pixel-count", False, "'pixel-count', which is no policy for a network with one answer a sample"),
        ("magic", False, "'magic', which is no policy for a network of any kind"),
        ("magic", True, "'magic', which is no policy for a network of any kind"),
    ],
)
def test_other_names_are_refused(name, maps, problem):
    with pytest.raises(UserError, match=problem) as refused:
        tuners_for(["margin", name], maps=maps)
    assert "Choose from all, max-probability" in str(refused.value.remedy)


def test_maps_have_no_logits_to_fit():
    with pytest.raises(UserError, match="policy gati: got a recording of maps"):
        logits_of(MAPS, "gati")


def test_the_pixel_count_is_the_cheapest_of_its_levels():
    data = maps_data()
    found = evaluate(MAP_TUNERS["pixel-count"].frontier(data, (0.05,))[0], data)
    for policy in MAPS.policies[3:]:
        assert policy.name == "pixel-count"
        only = TuningData(
            trace=type(MAPS)(
                **{**vars(MAPS), "policies": (policy,), "scores": MAPS.scores[[MAPS.policies.index(policy)]]}
            ),
            reference_right=data.reference_right,
            costs=data.costs,
            batch=8,
            seed=0,
        )
        assert found.expected_ms <= evaluate(MAP_TUNERS["pixel-count"].frontier(only, (0.05,))[0], only).expected_ms


@pytest.mark.parametrize(("name", "deals"), [("max-probability", 2), ("geometric-ensemble", 1)])
def test_what_fitting_costs_is_taken_off_the_drop(name, deals):
    tried = try_tuner(TUNERS[name], DATA, Goal(max_drop=0.02, budget=None))
    assert tried.asked_drop is not None
    seen = cross_fit(TUNERS[name].frontier, DATA, Goal(max_drop=0.02, budget=None).drops, folds=5, deals=deals)
    assert tried.asked_drop == min(0.02, seen.ask_for(0.02))
    assert evaluate(tried.candidate, DATA).correct >= DATA.required(tried.asked_drop)
    assert tried.candidate in tried.frontier
    assert len(set(tried.frontier)) == len(tried.frontier)


def test_few_samples_are_not_dealt():
    few = DATA.rows(np.arange(LEAST_SAMPLES - 1))
    assert try_tuner(TUNERS["margin"], few, Goal(max_drop=0.02, budget=None)).asked_drop == 0.02


def test_a_budget_has_no_drop():
    budget = 0.7 * DATA.cost.full_ms
    tried = try_tuner(TUNERS["margin"], DATA, Goal(max_drop=None, budget=budget))
    assert tried.asked_drop is None
    assert evaluate(tried.candidate, DATA).expected_ms <= budget
    assert tried.frontier
