"""The cheapest sets of exits: no exit of them is idle, they keep the drop and the tail, and nothing cheaper is left."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_data

from eecalib.exit_choice.choose import cheapest_sets
from eecalib.exit_choice.exit_set import BATCHES, search_set
from eecalib.exit_choice.merged_costs import merged_costs
from eecalib.tuning import evaluate
from eecalib.tuning.batch_times import batch_times
from eerun.policies import MaxProbabilityPolicy

POLICY = MaxProbabilityPolicy()
FREE_EXITS = synthetic_data(400, exits=5, classes=4, seed=6)
WHOLE_MS = tuple(0.8 * ms for ms in FREE_EXITS.costs.whole_ms)
DATA = replace(FREE_EXITS, costs=replace(FREE_EXITS.costs, whole_ms=WHOLE_MS))
"""An exit costs a twentieth of the network."""
DROP = 0.02


def silent(_share: float) -> None:
    """Nobody looks."""


def few_of(kept):
    return replace(DATA, trace=DATA.trace.of_exits(kept), costs=merged_costs(DATA.costs, kept))


def found_sets(max_tail_ms=None, most=99):
    return cheapest_sets(POLICY, DATA, DROP, most=most, max_tail_ms=max_tail_ms, progress=silent)


@pytest.fixture(scope="module")
def found():
    return found_sets()


def test_each_is_what_it_says(found):
    assert [each.expected_ms for each in found] == sorted(each.expected_ms for each in found)
    assert len({each.kept for each in found}) == len(found) > 5
    for each in found:
        few = few_of(each.kept)
        outcome = evaluate(each.candidate, few)
        assert each.expected_ms == outcome.expected_ms
        assert outcome.correct >= DATA.required(DROP)
        assert None not in each.candidate.thresholds
        assert all(share > 0 for share in outcome.shares[:-1])


def test_nothing_cheaper_is_left_out(found):
    for count in range(5):
        for kept in combinations(range(4), count):
            if all(each.kept != kept for each in found):
                assert None in search_set(POLICY, DATA, kept, DROP).candidate.thresholds
    assert found_sets(most=3) == found[:3]


def test_progress_reaches_the_end():
    shares: list[float] = []
    cheapest_sets(POLICY, DATA, DROP, most=1, max_tail_ms=None, progress=shares.append)
    assert shares == pytest.approx(np.arange(1, 17) / 16)


def test_the_tail_is_kept(found):
    def slow(each, limit):
        few = few_of(each.kept)
        outcome = evaluate(each.candidate, few)
        tested = np.ones((few.samples, few.trace.exits), np.bool_)
        times = batch_times(outcome.exit_index, tested, few.costs, batch=few.batch, batches=BATCHES, seed=few.seed)
        return (times > limit).mean()

    limit = DATA.costs.of_whole().run_ms(0, DATA.batch)
    kept = found_sets(max_tail_ms=limit)
    assert 0 < len(kept) < len(found)
    for each in found:
        assert (slow(each, limit) <= 0.01) == any(each.kept == other.kept for other in kept)
