"""The search over compositions against trying each of them, with limits and with correlated hits."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from calib.synthetic_heads import synthetic_heads
from hypothesis import given, settings
from hypothesis import strategies as st

from eecalib.composition import CandidateHeads, FirstLook, Limits, binding_limits
from eecalib.exit_table import ExitTable
from eecalib.expected_cost import expected_batch_ms
from eecalib.gates import LOSSES, gate_hits
from eecalib.trace import play
from eerun.policies import MarginPolicy

FREE = Limits(max_drop=0.02, max_tail=None, max_memory_bytes=None, min_precision=None, max_exits=None)
LIMITS = st.builds(
    Limits,
    max_drop=st.just(0.02),
    max_tail=st.none() | st.floats(0, 0.3),
    max_memory_bytes=st.none() | st.integers(0, 8000),
    min_precision=st.none() | st.floats(0.7, 1),
    max_exits=st.none() | st.integers(1, 3),
)


def table_of(heads: CandidateHeads) -> ExitTable:
    return play(MarginPolicy(), heads.trace).table


def compositions(heads: CandidateHeads) -> list[tuple[int, ...]]:
    """Every choice of at most one head a tap."""
    options = [(None, *heads.of_tap(tap)) for tap in range(heads.trunk.segments - 1)]
    return [tuple(head for head in each if head is not None) for each in product(*options)]


def tried(heads: CandidateHeads, table: ExitTable, limits: Limits, required: int) -> dict[tuple[int, ...], float]:
    """What each composition costs that keeps the limits, at its best gates."""
    right, good = table.correct, np.maximum(table.correct, table.agreeing)
    found: dict[tuple[int, ...], float] = {}
    for loss, kept in product(LOSSES, compositions(heads)):
        hits = gate_hits(table, loss)
        alive, correct, reached, fine = np.ones(heads.samples, bool), 0, [1.0], heads.keeps(limits, kept)
        for head in kept:
            leaving = alive & hits[head]
            fine &= leaving.any()
            if limits.min_precision is not None and fine:
                fine &= good[leaving, head].sum() >= limits.min_precision * leaving.sum()
            correct += int(right[leaving, head].sum())
            alive &= ~leaving
            reached.append(float(alive.mean()))
        if fine and (not kept or correct + int(right[alive, -1].sum()) >= required):
            ms = expected_batch_ms(heads.costs(kept), batch=heads.batch, reached=reached)
            found[kept] = min(ms, found.get(kept, np.inf))
    return {(): heads.whole_ms} | found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([(1,), (2, 2), (1, 3, 2), (2, 2, 2)]), LIMITS, st.sampled_from([1, 4, 40]))
def test_it_finds_what_trying_each_finds(seed, of_tap, limits, most):
    heads = synthetic_heads(120, of_tap=of_tap, seed=seed)
    table, required = table_of(heads), heads.data(()).required(limits.max_drop)
    look = FirstLook(heads, table)
    found = look.find(limits, required=required, most=most)
    every = tried(heads, table, limits, required)
    assert look.exact
    assert len({kept for _, kept in found.best}) == len(found.best)
    assert [ms for ms, _ in found.best] == pytest.approx(sorted(every.values())[:most], rel=1e-9)
    assert [every[kept] for _, kept in found.best] == pytest.approx([ms for ms, _ in found.best], rel=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), LIMITS)
def test_a_beam_finds_compositions_that_keep_the_limits(seed, limits):
    heads = synthetic_heads(120, of_tap=(2, 1, 2), seed=seed)
    table, required = table_of(heads), heads.data(()).required(limits.max_drop)
    look = FirstLook(heads, table)
    look.exact = False
    found = look.find(limits, required=required, most=5)
    every = tried(heads, table, limits, required)
    assert not found.exact
    for ms, kept in found.best:
        assert ms == pytest.approx(every[kept], rel=1e-9)
    assert found.best[0][0] >= min(every.values()) * (1 - 1e-9)


def test_many_heads_are_searched_with_a_beam():
    few, many = (synthetic_heads(40, of_tap=(2,) * taps, seed=0) for taps in (9, 10))
    assert FirstLook(few, table_of(few)).exact
    look = FirstLook(many, table_of(many))
    found = look.find(FREE, required=many.data(()).required(0.02), most=3)
    assert not found.exact
    assert found.best[0][0] < many.whole_ms


def test_hits_that_repeat_save_nothing():
    heads = synthetic_heads(300, of_tap=(1, 1), seed=3)
    same = heads.trace.logits.copy()
    same[:, 1] = same[:, 0]  # the second head says what the first has said: nobody is left for it
    heads = replace(heads, trace=replace(heads.trace, logits=same))
    found = FirstLook(heads, table_of(heads)).find(FREE, required=heads.data(()).required(0.02), most=10)
    assert (0, 1) not in {kept for _, kept in found.best}
    assert found.best[0][1] == (0,)


def test_limits_that_cost_time_are_named():
    heads = synthetic_heads(400, of_tap=(2, 2), seed=1)
    look, required = FirstLook(heads, table_of(heads)), heads.data(()).required(0.02)
    assert binding_limits(look, FREE, required=required) == ()
    roomy = replace(FREE, max_memory_bytes=10**9, max_exits=9, max_tail=9.0, min_precision=0.0)
    assert binding_limits(look, roomy, required=required) == ()
    tight = replace(roomy, max_memory_bytes=0)
    (named,) = binding_limits(look, tight, required=required)
    assert named.limit == "max_memory_bytes"
    free_ms = look.find(FREE, required=required, most=1).best[0][0]
    assert named.share == pytest.approx(1 - free_ms / heads.whole_ms)


def test_no_limit_costs_time_where_none_is_taken():
    """Times are estimates, and a table of costs may say 0."""
    heads = synthetic_heads(120, of_tap=(2, 2), seed=1)
    free = tuple(0.0 for _ in heads.trunk.buckets)
    trunk = replace(heads.trunk, segment_ms=(free,) * heads.trunk.segments, whole_ms=free)
    heads = replace(heads, trunk=trunk)
    look, required = FirstLook(heads, table_of(heads)), heads.data(()).required(0.02)
    assert binding_limits(look, replace(FREE, max_memory_bytes=0), required=required) == ()
