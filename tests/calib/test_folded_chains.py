"""Recordings of a chain of a folded network: what is evaluated is what the chain does; what answers owe to partners."""

from dataclasses import replace

import numpy as np
import pytest
from folded_chains import CLASSES, folded_chain

from eecalib.partners import partner_agreement
from eecalib.record import record_exits
from eecalib.replay import replay
from eecalib.trace import record_trace
from eengines.backends import load_backend
from eengines.errors import UserError
from eerun.costs import CostTable
from eerun.data import Samples
from eerun.executor import Answers, HostExecutor, load_chain
from eerun.folding import GroupExit

EXITS, FOLD, IMAGES = 3, 4, 96
THRESHOLDS = (0.99, 0.97)


def costs() -> CostTable:
    return CostTable(
        engine="onnxruntime",
        precision="float32",
        device="none",
        buckets=(1, 2, 5),
        segment_ms=((1.0, 1.5, 3.0),) * EXITS,
        whole_ms=(2.0, 3.0, 7.0),
        move_ms=(0.01,) * (EXITS - 1),
    )


def executor(*, rule: GroupExit = GroupExit.ALL, neighbour: float = 0.5) -> HostExecutor:
    chain = folded_chain(EXITS, FOLD, seed=2, rule=rule, neighbour=neighbour)
    return HostExecutor(load_chain(chain, load_backend("onnxruntime"), threads=2), costs())


def samples(count: int = IMAGES) -> Samples:
    x = np.random.default_rng(4).random((count, CLASSES)).astype(np.float32)
    return Samples(inputs={"x": x}, labels=np.arange(count) % CLASSES)


@pytest.mark.parametrize("rule", list(GroupExit))
def test_a_table_says_what_the_chain_does(rule):
    chain, given = executor(rule=rule), samples()
    table = record_exits(chain, given, lambda _share: None)
    assert (table.fold, table.rule, table.groups) == (FOLD, rule, IMAGES // FOLD)
    said = Answers(
        outputs=np.empty((IMAGES, CLASSES), np.float32),
        exit_index=np.empty(IMAGES, np.int32),
        confidence=np.empty(IMAGES, np.float32),
    )
    parts = chain.infer(given.inputs, THRESHOLDS, said)
    result = replay(table, THRESHOLDS)
    np.testing.assert_array_equal(result.exit_index, said.exit_index)
    np.testing.assert_array_equal(table.answers[np.arange(IMAGES), said.exit_index], said.outputs.argmax(axis=1))
    assert len(set(said.exit_index.tolist())) == EXITS
    left = [sum(step.left for steps in parts for step in steps if step.segment == k) for k in range(EXITS)]
    assert [round(share * table.groups) for share in result.left] == left


def test_a_trace_has_groups_and_the_rule_of_the_chain():
    chain = executor(rule=GroupExit.MAJORITY)
    trace = record_trace(chain, samples(), (), lambda _share: None)
    assert (trace.fold, trace.rule, trace.groups) == (FOLD, GroupExit.MAJORITY, IMAGES // FOLD)


@pytest.mark.parametrize("record", [record_exits, lambda *args: record_trace(args[0], args[1], (), args[2])])
def test_images_that_are_no_groups_are_refused(record):
    with pytest.raises(UserError, match="got 95 samples for groups of 4"):
        record(executor(), samples(95), lambda _share: None)


def test_answers_without_partners_do_not_depend_on_them():
    shares: list[float] = []
    alone = partner_agreement(executor(neighbour=0.0), samples(), THRESHOLDS, shares.append, deals=3, seed=0)
    assert (alone.deals, alone.images) == (3, IMAGES)
    assert (alone.final_same, alone.final_pairwise, alone.exits_pairwise) == (1.0, 1.0, 1.0)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_answers_with_partners_do():
    chain, given = executor(), samples()
    found = partner_agreement(chain, given, (None, None), lambda _share: None, deals=3, seed=1)
    assert 0 < found.final_same < found.final_pairwise < 1
    assert (found.exits_same, found.exits_pairwise) == (found.final_same, found.final_pairwise)
    again = partner_agreement(chain, given, (None, None), lambda _share: None, deals=3, seed=1)
    assert again == found
    assert replace(found, deals=2) != partner_agreement(chain, given, THRESHOLDS, lambda _s: None, deals=2, seed=1)


def test_one_deal_shows_nothing():
    with pytest.raises(UserError, match="got 1 deals of groups of 4, expected at least 2"):
        partner_agreement(executor(), samples(), THRESHOLDS, lambda _share: None, deals=1, seed=0)
