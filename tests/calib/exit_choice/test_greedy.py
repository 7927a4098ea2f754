"""PAME's greedy choice of exits: by hand, against a walk over queries, under a tail guard, beside the exact search."""

from dataclasses import replace

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_data

from eecalib.exit_choice.choose import cheapest_sets
from eecalib.exit_choice.exit_set import keeps_tail
from eecalib.exit_choice.greedy import greedy_picks, greedy_sets
from eecalib.exit_choice.merged_costs import merged_costs
from eecalib.trace import ExitTrace, play
from eecalib.tuning import TuningData, evaluate
from eerun.costs import CostTable
from eerun.policies import MaxProbabilityPolicy

POLICY = MaxProbabilityPolicy()


def silent(_share: float) -> None:
    """Nobody looks."""


def by_hand(segment_ms, whole_ms, *, batch=4) -> TuningData:
    """Eight samples in two batches; the first exit is sure and right of 2 + 0, the second of 2 + 2, the third of 3 + 3.

    Where an exit is not sure it is wrong; the final one is always right.
    """
    sure = np.array([[1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 1, 1, 0, 0], [1, 1, 1, 0, 1, 1, 1, 0], [1] * 8], np.bool_).T
    logits = np.stack([np.where(sure, 3.0, 0.0), np.where(sure, 0.0, 0.1)], axis=2).astype(np.float32)
    labels = np.zeros(8, np.int64)
    return TuningData(
        trace=ExitTrace(logits=logits, labels=labels),
        reference_right=np.ones(8, np.int64),
        costs=CostTable(
            engine="onnxruntime",
            precision="float32",
            device="test",
            buckets=(1, 2, 3, 4),
            segment_ms=tuple(tuple(ms * rows for rows in (1, 2, 3, 4)) for ms in segment_ms),
            whole_ms=tuple(whole_ms * rows for rows in (1, 2, 3, 4)),
            move_ms=(0.0, 0.0, 0.0),
        ),
        batch=batch,
        seed=0,
    )


def test_picks_by_hand():
    # Free exits, a millisecond a row and segment. A query alone with exit 0: 4 + (2·6 + 4·12) / 8 = 11.5, exit 1:
    # 8 + (2·4 + 2·4) / 8 = 10, exit 2: 12 + (1·1 + 1·1) / 8 = 12.25; none: 16. So exit 1, and behind it, for the two of
    # each batch that move on: exit 2 (4·2 + 2·1) / 8 = 1.25, none 4·4 / 8 = 2.
    assert greedy_picks(POLICY, by_hand((1.0, 1.0, 1.0, 1.0), 4.0), 0.0, max_tail_ms=None) == (1, 2)


def test_exits_that_cost_more_than_they_save_are_not_picked():
    assert greedy_picks(POLICY, by_hand((9.0, 9.0, 9.0, 9.0), 10.0), 0.0, max_tail_ms=None) == ()


def test_the_tail_guard():
    # Free exits. Exit 0: the second batch, of which all move on, takes 4 · 1 + 4 · 6 = 28 ms, a query 4 + 15 = 19 on
    # average. Exit 1: each batch 4 · 5 + 2 · 2 = 24 ms, a query 22. Exit 2: 4 · 6 + 1 = 25 ms, a query 24.25.
    data = by_hand((1.0, 4.0, 1.0, 1.0), 7.0)
    assert greedy_picks(POLICY, data, 0.0, max_tail_ms=None)[0] == 0
    assert greedy_picks(POLICY, data, 0.0, max_tail_ms=28.0)[0] == 0
    assert greedy_picks(POLICY, data, 0.0, max_tail_ms=27.9)[0] == 1
    assert greedy_picks(POLICY, data, 0.0, max_tail_ms=24.0) == (1, 2)
    assert greedy_picks(POLICY, data, 0.0, max_tail_ms=23.9) == ()


def walked(data, max_drop):
    """The same rule, query by query; a sample leaves where PAME's largest set of leavers that keeps the budget does."""
    table = play(POLICY, data.trace).table
    right, last = table.correct, table.exits - 1
    batch = np.arange(table.samples) // data.batch
    picks, moving, required = (), np.ones(table.samples, np.bool_), data.required(max_drop)

    def average(picked, stays):
        """Milliseconds that the queries wait from the last pick on, in all."""
        costs, waited = merged_costs(data.costs, picked), 0.0
        for position, there in enumerate(stays, start=len(picked) - len(stays) + 1):
            for index in np.unique(batch):
                rows = int((there & (batch == index)).sum())
                waited += rows * costs.run_ms(position, rows)
        return waited

    while True:
        options = {}
        for exit_ in range(picks[-1] + 1 if picks else 0, last):
            leaving = np.zeros_like(moving)
            for threshold in np.unique(table.scores[moving, exit_]):
                gone = moving & (table.scores[:, exit_] >= threshold)
                if right[gone, exit_].sum() + right[moving & ~gone, -1].sum() >= required:
                    leaving = gone
                    break
            options[exit_] = (average((*picks, exit_), [moving, moving & ~leaving]), leaving)
        without = average(picks, [moving])
        best = min(options, key=lambda exit_: options[exit_][0], default=None)
        if best is None or options[best][0] >= without:
            return picks
        leaving = options[best][1]
        picks, required = (*picks, best), required - int(right[leaving, best].sum())
        moving = moving & ~leaving


@pytest.mark.parametrize("seed", range(4))
def test_picks_are_those_of_a_walk_over_queries(seed):
    data = synthetic_data(96, exits=7, classes=4, seed=seed)
    picks = greedy_picks(POLICY, data, 0.03, max_tail_ms=None)
    assert picks == walked(data, 0.03)
    assert picks


def test_sets_are_the_first_picks_and_hold_the_drop():
    data = synthetic_data(400, exits=20, classes=4, seed=2)
    picks = greedy_picks(POLICY, data, 0.02, max_tail_ms=None)
    shares: list[float] = []
    found = greedy_sets(POLICY, data, 0.02, most=99, max_tail_ms=None, progress=shares.append)
    assert shares[-1] == 1
    assert [each.expected_ms for each in found] == sorted(each.expected_ms for each in found)
    assert () in {each.kept for each in found}
    assert len(found) > 1
    for each in found:
        assert set(each.kept) <= set(picks)
        assert None not in each.candidate.thresholds
        few = replace(data, trace=data.trace.of_exits(each.kept), costs=merged_costs(data.costs, each.kept))
        assert evaluate(each.candidate, few).correct >= data.required(0.02)


def test_the_exact_search_is_never_dearer():
    data = synthetic_data(300, exits=6, classes=4, seed=5)
    exact = cheapest_sets(POLICY, data, 0.02, most=1, max_tail_ms=None, progress=silent)
    greedy = greedy_sets(POLICY, data, 0.02, most=1, max_tail_ms=None, progress=silent)
    assert exact[0].expected_ms <= greedy[0].expected_ms < data.costs.of_whole().run_ms(0, data.batch)


def test_sets_with_a_long_tail_are_left_out():
    data = synthetic_data(400, exits=6, classes=4, seed=3)
    data = replace(data, costs=replace(data.costs, whole_ms=tuple(0.8 * ms for ms in data.costs.whole_ms)))
    limit = data.costs.of_whole().run_ms(0, data.batch)
    free = greedy_sets(POLICY, data, 0.02, most=99, max_tail_ms=None, progress=silent)
    kept = greedy_sets(POLICY, data, 0.02, most=99, max_tail_ms=limit, progress=silent)
    assert not all(keeps_tail(each, data, limit) for each in free)
    assert all(keeps_tail(each, data, limit) for each in kept)
    assert [each.kept for each in kept] != [each.kept for each in free]
    assert any(each.kept for each in kept)
