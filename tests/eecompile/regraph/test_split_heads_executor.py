"""A chain with heads of its own answers as the fused chain does; heads run only for the samples that are tested."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import CLASSES

from eecompile.regraph import rescore, split_heads
from eengines.backends import load_backend
from eengines.errors import BundleError
from eerun.costs import CostTable
from eerun.executor import (
    Answers,
    Chain,
    ChainExecutor,
    ChainSegment,
    HostExecutor,
    LoadedChain,
    Skipping,
    SplitHeadsExecutor,
    load_chain,
)
from eerun.executor.shadowed import Shadowed
from eerun.measure_costs import MeterSettings, Subject, measure_costs
from eerun.policies import NOT_TESTED, POLICIES

BUCKETS = (2, 4, 7)
"""Not 1: ONNX Runtime multiplies a single row by another kernel, which adds up in another order."""

FOR_ROWS = sorted(name for name, policy in POLICIES.items() if policy.for_rows)


def costs_of(exits: int, seed: int, *, heads: bool) -> CostTable:
    """Arbitrary costs, so that any cover, any compaction and any way to run a head may happen."""
    random = np.random.default_rng(seed)

    def times(count: int) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(random.uniform(0.1, 1, len(BUCKETS))) for _ in range(count))

    return CostTable(
        engine="onnxruntime",
        precision="float32",
        device="test",
        buckets=BUCKETS,
        segment_ms=times(exits),
        whole_ms=(1.0,) * len(BUCKETS),
        move_ms=tuple(random.uniform(0, 0.2, exits - 1)),
        head_ms=times(exits - 1) if heads else (),
    )


def load(chain, *, heads: bool):
    """The chain in ONNX Runtime."""
    graphs, own = split_heads(chain.segments, chain.names) if heads else (chain.segments, ())
    skipping = None
    if heads and chain.policy.skips_by is not None:
        state = tuple(spec.name for spec in chain.policy.state)
        skipping = Skipping(due=chain.policy.skips_by, first_exit=chain.policy.first_exit, state=state)
    segments = tuple(
        ChainSegment(graph=graph, logits=each.logits, score=each.score, head=head)
        for graph, each, head in zip(graphs, chain.names, [*own, *[None] * len(graphs)], strict=False)
    )
    made = Chain(inputs=chain.inputs, segments=segments, skipping=skipping)
    return load_chain(made, load_backend("onnxruntime"), threads=2)


def executors(chain, seed: int) -> tuple[ChainExecutor, SplitHeadsExecutor | ChainExecutor]:
    exits = len(chain.segments)
    fused = ChainExecutor(load(chain, heads=False), costs_of(exits, seed, heads=False))
    if exits == 1:
        return fused, ChainExecutor(load(chain, heads=True), costs_of(exits, seed, heads=True))
    return fused, SplitHeadsExecutor(load(chain, heads=True), costs_of(exits, seed + 1, heads=True))


def blank(count: int) -> Answers:
    return Answers(
        outputs=np.full((count, CLASSES), np.nan, np.float32),
        exit_index=np.full(count, -1, np.int32),
        confidence=np.full(count, np.nan, np.float32),
    )


def infer(executor, inputs, thresholds):
    answers = blank(len(inputs["x"]))
    return answers, executor.infer(inputs, thresholds, answers)


def count_tested(chain, crossing, logits, exit_index, thresholds):
    """`[early exits]` how many samples the policy tests at each exit that they reach, in numpy.

    0 where nobody can leave, and no open exit behind it nor the final one reads the state that the head hands on.
    """
    final_reads = chain.policy.skips_by is None and any(
        name.startswith(f"state_{len(crossing) - 1}_") for name in crossing[-1]
    )
    state, counts = None, []
    for exit_ in range(logits.shape[1] - 1):
        scores, state = chain.policy.score(np.ascontiguousarray(logits[:, exit_]), state, exit_index=exit_)
        reached = exit_index >= exit_
        tested = reached & (scores != NOT_TESTED) if chain.policy.skips_by else reached
        read_later = any(name.startswith(f"state_{exit_}_") for name in crossing[exit_])
        later = any(each is not None for each in thresholds[exit_ + 1 :])
        runs = thresholds[exit_] is not None or (read_later and (later or final_reads))
        counts.append(int(tested.sum()) if runs else 0)
    return counts


ROUNDING = 1e-5
"""ONNX Runtime fuses other nodes where a graph is cut: the last bits may differ."""


def between(scores, share: float) -> float:
    """A threshold of at least 0 that no score is nearer to than rounding is: where about this share lies below it."""
    levels = np.unique(np.round(scores[scores >= 0], 3))
    edges = np.array([0.0, *((levels[1:] + levels[:-1]) / 2), 1e3])
    return float(edges[round(share * (len(edges) - 1))])


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    count=st.integers(1, 5),
    with_mask=st.booleans(),
    with_shape=st.booleans(),
    policy=st.sampled_from(["predictive-exit", *FOR_ROWS]),
    data=st.data(),
)
def test_answers_are_those_of_the_fused_chain(chain_of, seed, count, with_mask, with_shape, policy, data):
    chain = chain_of(policy, seed=seed, count=count, with_mask=with_mask, with_shape=with_shape)
    fused, split = executors(chain, seed % 1000)
    split.warm_up()
    crossing = load(chain, heads=True).crossing
    for batch in data.draw(st.lists(st.integers(1, BUCKETS[-1]), min_size=1, max_size=4)):
        inputs = chain.maker.inputs(batch, seed=batch)
        logits, scores = fused.record(inputs)
        for one, other in zip(split.record(inputs), (logits, scores), strict=True):
            np.testing.assert_allclose(one, other, atol=ROUNDING, rtol=ROUNDING)
        cuts = [between(scores[:, k], data.draw(st.floats(0, 1))) for k in range(count - 1)]
        thresholds = [None if data.draw(st.booleans()) else each for each in cuts]

        answers, steps = infer(split, inputs, thresholds)
        expected, _ = infer(fused, inputs, thresholds)

        assert np.array_equal(answers.exit_index, expected.exit_index)
        np.testing.assert_allclose(answers.outputs, expected.outputs, atol=ROUNDING, rtol=ROUNDING)
        np.testing.assert_allclose(answers.confidence, expected.confidence, atol=ROUNDING, rtol=ROUNDING)
        if count > 1:
            reference = count_tested(chain, crossing, logits, answers.exit_index, thresholds)
            early = [step for step in steps if step.segment < count - 1]
            assert [step.tested for step in early] == reference[: len(early)]
        assert all(step.tested is None for step in steps if step.segment == count - 1)


class CountedHead:
    """A real engine that notes how many rows each run has."""

    def __init__(self, engine) -> None:
        self._engine, self.runs = engine, []
        self.inputs, self.outputs = engine.inputs, engine.outputs

    def open(self, inputs, outputs):
        session, rows = self._engine.open(inputs, outputs), len(next(iter(outputs.values())))
        return CountedSession(session, rows, self.runs)


class CountedSession:
    def __init__(self, session, rows, runs) -> None:
        self._session, self._rows, self._runs = session, rows, runs

    def run(self) -> None:
        self._runs.append(self._rows)
        self._session.run()


def skipping_chain(chain_of):
    """Four exits; samples are tested first at exit 1, and then at exit 2 or at the final one."""
    chain = chain_of("predictive-exit", seed=7, count=4, with_mask=True, with_shape=False)
    middle = (0.3, 0.6)
    policy = replace(
        chain.policy,
        forecast="calibrated",
        start=1,
        scales=(1.0, 1.0, 1.0),
        edges=((0.5,), middle, (0.5,)),
        next_exits=((1, 2), (3, 2, 3), (3, 3)),
    )
    return replace(chain, policy=policy, segments=rescore(chain.segments, policy, chain.names))


@pytest.mark.parametrize("dear", [True, False])
def test_few_rows_are_gathered_where_rows_are_dear(chain_of, dear):
    chain = skipping_chain(chain_of)
    loaded = load(chain, heads=True)
    heads = [CountedHead(engine) for engine in loaded.heads]
    costs = replace(
        costs_of(4, 1, heads=True),
        move_ms=(0.001,) * 3,
        segment_ms=((1.0, 1.0, 1.0),) * 4,
        head_ms=((2.0, 4.0, 7.0) if dear else (1.0, 1.0, 1.0),) * 3,
    )
    executor = SplitHeadsExecutor(LoadedChain(loaded.chain, loaded.engines, heads), costs)
    inputs = chain.maker.inputs(7, seed=2)
    expected = ChainExecutor(load(chain, heads=False), costs_of(4, 1, heads=False))

    answers, steps = infer(executor, inputs, [0.0, 9.0, 9.0])
    wanted, _ = infer(expected, inputs, [0.0, 9.0, 9.0])

    assert np.array_equal(answers.exit_index, wanted.exit_index)
    assert np.array_equal(answers.outputs, wanted.outputs)
    tested = [step.tested for step in steps]
    assert tested[:2] == [0, 7]
    assert tested[3] is None
    assert 0 < tested[2] < 4, "the drawn network leaves few samples due at exit 2"
    assert heads[0].runs == []
    assert heads[1].runs == [7]
    assert heads[2].runs == ([2] if tested[2] <= 2 else [4]) if dear else [7]


def test_after_recording_nobody_is_due_too_early(chain_of):
    chain = skipping_chain(chain_of)
    executor = SplitHeadsExecutor(load(chain, heads=True), costs_of(4, 1, heads=True))
    inputs = chain.maker.inputs(5, seed=3)
    before, _ = infer(executor, inputs, [0.0, 0.0, 0.0])
    _, scores = executor.record(inputs)
    after, _ = infer(executor, inputs, [0.0, 0.0, 0.0])
    assert (scores[:, 0] == NOT_TESTED).all()
    assert np.array_equal(before.exit_index, after.exit_index)
    assert np.array_equal(before.outputs, after.outputs)


@pytest.mark.parametrize("batch", [1, 5])
def test_who_is_not_tested_does_not_leave_whatever_the_threshold(chain_of, batch):
    chain = skipping_chain(chain_of)
    executor = SplitHeadsExecutor(load(chain, heads=True), costs_of(4, 1, heads=True))
    answers, steps = infer(executor, chain.maker.inputs(batch, seed=3), [-5.0, -5.0, -5.0])
    assert (answers.exit_index == 1).all()
    assert [step.tested for step in steps] == [0, batch]


@pytest.mark.parametrize("batch", [1, 6])
def test_watched_samples_go_on_as_in_the_fused_chain(chain_of, batch):
    chain = skipping_chain(chain_of)
    inputs, found = chain.maker.inputs(batch, seed=3), []
    for executor in executors(chain, 1):
        shadow = Shadowed.of(np.arange(batch) % 2 == 0, (CLASSES,))
        answers = replace(blank(batch), shadow=shadow)
        executor.infer(inputs, [0.0, 0.0, 0.0], answers)
        found.append((answers.exit_index, answers.outputs, shadow.early, shadow.outputs[shadow.early]))
    assert all(np.array_equal(one, other) for one, other in zip(*found, strict=True))
    assert found[0][2].any()


def test_a_closed_exit_that_hands_nothing_on_does_not_run_its_head(chain_of):
    chain = chain_of("margin", seed=7, count=3, with_mask=False, with_shape=False)
    executor = SplitHeadsExecutor(load(chain, heads=True), costs_of(3, 1, heads=True))
    _, steps = infer(executor, chain.maker.inputs(5, seed=3), [None, 2.0])
    assert [step.tested for step in steps] == [0, 5, None]


@pytest.mark.parametrize("policy", FOR_ROWS)
def test_with_exits_off_no_head_runs_but_for_the_score_of_the_final_exit(chain_of, policy):
    chain = chain_of(policy, seed=7, count=4, with_mask=False, with_shape=False)
    loaded = load(chain, heads=True)
    heads = [CountedHead(engine) for engine in loaded.heads]
    executor = SplitHeadsExecutor(LoadedChain(loaded.chain, loaded.engines, heads), costs_of(4, 1, heads=True))
    inputs, off = chain.maker.inputs(5, seed=3), [None, None, None]
    infer(executor, inputs, [0.0, 0.0, 0.0])  # leaves state behind in the buffers
    for head in heads:
        head.runs.clear()

    answers, steps = infer(executor, inputs, off)

    expected, _ = infer(ChainExecutor(load(chain, heads=False), costs_of(4, 1, heads=False)), inputs, off)
    assert np.array_equal(answers.outputs, expected.outputs)
    assert np.array_equal(answers.confidence, expected.confidence)
    runs = policy in ("patience", "eenet")
    assert [step.tested for step in steps] == [5 * runs] * 3 + [None]
    assert [bool(head.runs) for head in heads] == [runs] * 3
    executor.record(inputs)
    assert all(head.runs for head in heads)


def test_costs_of_heads_are_measured_and_heads_run(chain_of):
    chain = skipping_chain(chain_of)
    loaded = load(chain, heads=True)
    whole = load(chain_of("margin", seed=7, count=4, exits=[3], with_mask=True, with_shape=False), heads=False)
    subject = Subject(engine="onnxruntime", precision="float32", chain=loaded, whole=whole)
    settings_ = MeterSettings(threads=2, buckets=BUCKETS, seconds=0.0)
    (costs,) = measure_costs([subject], chain.maker.inputs(7, seed=1), settings_, lambda _: None)
    assert [len(row) for row in costs.head_ms] == [3, 3, 3]
    assert all(0 < value < 1000 for row in (*costs.head_ms, *costs.segment_ms) for value in row)
    executor = HostExecutor(loaded, costs)
    cells = {(segment, bucket) for segment in (0, 1, 2, 3, -1, -2, -3) for bucket in BUCKETS}
    assert set(executor.runs(BUCKETS)) == cells


def test_costs_without_heads_are_refused(chain_of):
    chain = skipping_chain(chain_of)
    with pytest.raises(BundleError, match="times of 0 heads, the chain has 3"):
        HostExecutor(load(chain, heads=True), costs_of(4, 1, heads=False))


def test_all_early_exits_have_heads_or_none(chain_of):
    loaded = load(skipping_chain(chain_of), heads=True).chain
    broken = replace(loaded, segments=(replace(loaded.segments[0], head=None), *loaded.segments[1:]))
    with pytest.raises(BundleError, match="got 2 heads for 3 early exits"):
        load_chain(broken, load_backend("onnxruntime"), threads=2)
