"""The first look at sets of exits, against all sets with the same gates, one by one."""

from itertools import combinations

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_data

import eecalib.exit_choice.subsets as subsets_module
from eecalib.exit_choice.merged_costs import merged_costs
from eecalib.exit_choice.subsets import FEW_EXITS, promising_subsets
from eecalib.expected_cost import expected_batch_ms
from eecalib.gates import LOSSES
from eecalib.trace import play
from eerun.policies import MaxProbabilityPolicy

DROP = 0.02


def gates(table, loss):
    """The lowest threshold at which those above it lose at most a share of the final exit's right answers there."""
    right = table.correct
    hits = np.zeros((table.exits - 1, table.samples), np.bool_)
    for exit_ in range(table.exits - 1):
        for threshold in np.unique(table.scores[:, exit_])[::-1]:
            leaving = table.scores[:, exit_] >= threshold
            if right[leaving, -1].sum() - right[leaving, exit_].sum() <= loss * right[leaving, -1].sum():
                hits[exit_] = leaving
    return hits


def looked_at(data, table, max_drop):
    """Every set that has enough right under some loss, with its least expected cost."""
    found = {}
    for loss in LOSSES:
        hits = gates(table, loss)
        for count in range(table.exits):
            for kept in combinations(range(table.exits - 1), count):
                alive, correct, reached = np.ones(table.samples, np.bool_), 0, [1.0]
                for exit_ in kept:
                    leaving = alive & hits[exit_]
                    correct += table.correct[leaving, exit_].sum()
                    alive &= ~hits[exit_]
                    reached.append(alive.mean())
                if correct + table.correct[alive, -1].sum() >= data.required(max_drop):
                    ms = expected_batch_ms(merged_costs(data.costs, kept), batch=data.batch, reached=reached)
                    found[kept] = min(ms, found.get(kept, np.inf))
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_the_cheapest_of_all_sets_come_first(seed, monkeypatch):
    monkeypatch.setattr(subsets_module, "FEW_EXITS", 2)
    data = synthetic_data(150, exits=6, classes=4, seed=seed)
    played = play(MaxProbabilityPolicy(), data.trace)
    expected = looked_at(data, played.table, DROP)
    found = promising_subsets(played, data, DROP, most=10)
    assert len(set(found)) == 10
    costs = [expected[kept] for kept in found]
    assert costs == pytest.approx(sorted(expected.values())[:10])


def test_few_exits_are_all_searched():
    data = synthetic_data(30, exits=4, classes=3, seed=0)
    found = promising_subsets(play(MaxProbabilityPolicy(), data.trace), data, DROP, most=1)
    assert found == ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
    assert FEW_EXITS >= 3


def test_a_drop_that_no_set_keeps_leaves_none(monkeypatch):
    monkeypatch.setattr(subsets_module, "FEW_EXITS", 2)
    data = synthetic_data(60, exits=4, classes=3, seed=0)
    assert promising_subsets(play(MaxProbabilityPolicy(), data.trace), data, -5.0, most=4) == ()
