"""From heads to a composition with thresholds."""

from dataclasses import replace

import numpy as np
import pytest
from calib.synthetic_heads import synthetic_heads

from eecalib.composition import SCORES, CandidateHeads, Composition, FirstLook, Limits, compose, fit_score, settle
from eecalib.composition.scores import score_of_heads
from eecalib.exit_choice.merged_costs import merged_costs
from eecalib.trace import play
from eecalib.tuning import evaluate
from eengines.errors import UserError
from eerun.policies import GatiPolicy

FREE = Limits(max_drop=0.02, max_tail=None, max_memory_bytes=None, min_precision=None, max_exits=None)
HEADS = synthetic_heads(600, of_tap=(2, 2, 1), seed=5)


def composed(heads: CandidateHeads, limits: Limits = FREE, policy: str = "margin", also=()) -> Composition:
    fitted = fit_score(policy, heads.trace, seed=0)
    table = play(fitted, heads.trace).table
    seen: list[float] = []
    found = compose(heads, FirstLook(heads, table), (fitted, table), limits, also=also, progress=seen.append)
    assert seen == sorted(seen)
    assert all(0 < share <= 1 for share in seen)
    return found


@pytest.mark.parametrize("policy", SCORES)
def test_it_saves_time_and_keeps_the_drop(policy):
    found = composed(HEADS, policy=policy)
    outcome = evaluate(found.candidate, HEADS.data(found.kept))
    assert found.kept
    assert None not in found.candidate.thresholds
    assert found.candidate.policy.name == policy
    assert outcome.expected_ms < 0.9 * HEADS.whole_ms
    assert found.asked_drop <= FREE.max_drop
    assert outcome.correct >= HEADS.data(()).required(FREE.max_drop)


@pytest.mark.parametrize(
    "limits",
    [
        replace(FREE, max_exits=1),
        replace(FREE, max_memory_bytes=3000),
        replace(FREE, max_tail=0.06),
        replace(FREE, max_drop=0.1, min_precision=0.97),
    ],
)
def test_limits_are_kept(limits):
    found = composed(HEADS, limits, also=[(1, 3, 4), (0, 2, 4)])
    assert HEADS.keeps(limits, found.kept)
    assert found.kept
    if limits.min_precision is not None:
        data = HEADS.data(found.kept)
        table = play(found.candidate.policy, data.trace).table
        index = evaluate(found.candidate, data).exit_index
        good = np.maximum(table.correct, table.agreeing)
        shares = [good[index == exit_, exit_].mean() for exit_ in range(len(found.kept))]
        assert min(shares) >= limits.min_precision


def test_without_that_limit_exits_are_less_precise():
    found = composed(HEADS, replace(FREE, max_drop=0.1))
    data = HEADS.data(found.kept)
    table = play(found.candidate.policy, data.trace).table
    index = evaluate(found.candidate, data).exit_index
    good = np.maximum(table.correct, table.agreeing)
    assert min(good[index == exit_, exit_].mean() for exit_ in range(len(found.kept))) < 0.97


def test_the_least_time_of_all_that_are_searched_wins():
    also = [(0,), (1, 3, 4), (0, 2, 4), (3,)]
    found = composed(HEADS, also=also)
    best = evaluate(found.candidate, HEADS.data(found.kept)).expected_ms
    for kept in also:
        other = settle(HEADS, "margin", kept, found.asked_drop, None)
        assert best <= evaluate(other.candidate, HEADS.data(other.kept)).expected_ms * 1.02


def test_heads_that_cost_more_than_they_save_are_not_taken():
    dear = synthetic_heads(300, of_tap=(1, 2), seed=2, head_share=5.0)
    assert composed(dear).kept == ()
    assert composed(dear).candidate.thresholds == ()


def test_cheap_heads_win_where_all_say_the_same():
    heads = synthetic_heads(400, of_tap=(2, 2), seed=4)
    logits = heads.trace.logits.copy()
    logits[:, 0], logits[:, 2] = logits[:, 1], logits[:, 3]
    same = replace(heads, trace=replace(heads.trace, logits=logits))
    assert set(composed(same).kept) <= {0, 2}


def test_heads_at_which_nobody_leaves_are_left_out():
    logits = HEADS.trace.logits.copy()
    logits[:, 2] = 0  # of one score, and wrong for most
    blind = replace(HEADS, trace=replace(HEADS.trace, logits=logits))
    settled = settle(blind, "margin", (0, 2, 4), 0.005, None)
    assert 2 not in settled.kept
    assert len(settled.candidate.thresholds) == len(settled.kept)


def test_gates_of_all_heads_are_those_of_some():
    fitted = fit_score("gati", HEADS.trace, seed=0)
    few = score_of_heads(fitted, (1, 4))
    alone = fit_score("gati", HEADS.trace.of_exits((1, 4)), seed=0)
    assert isinstance(few, GatiPolicy)
    assert few == alone


def test_costs_are_those_of_merged_segments_and_heads():
    costs = HEADS.costs((1, 4))
    bare = merged_costs(HEADS.trunk, (0, 2))
    assert costs.segment_ms[0] == pytest.approx(np.add(bare.segment_ms[0], HEADS.head_ms[1]))
    assert costs.segment_ms[1] == pytest.approx(np.add(bare.segment_ms[1], HEADS.head_ms[4]))
    assert costs.segment_ms[2] == bare.segment_ms[2]
    assert HEADS.full_ms(()) == pytest.approx(HEADS.whole_ms)
    assert HEADS.memory_bytes((1, 4)) == HEADS.head_bytes[1] + HEADS.head_bytes[4]


def test_heads_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="taps in ascending order"):
        replace(HEADS, taps=(0, 1, 0, 1, 2))
    with pytest.raises(UserError, match="5 heads at 3 taps, which do not fit their sizes"):
        replace(HEADS, head_bytes=(1, 2))
    with pytest.raises(UserError, match="expected one of margin"):
        fit_score("patience", HEADS.trace, seed=0)
