"""For random networks, the chain answers like the whole network: any batch, any set of samples that leave anywhere."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_examples import FOR_ROWS, policy_example
from random_networks import CLASSES, NetworkMaker

from eecompile.session import run_model
from eecompile.split import split_model
from eengines.backends import load_backend
from eerun.costs import CostTable
from eerun.executor import Answers, Chain, ChainExecutor, ChainSegment, load_chain
from eerun.policies import policy_by_name

TOLERANCE = 1e-5
BUCKETS = (1, 2, 4, 7)


def executor_of(model: ir.Model, maker: NetworkMaker, exits: int, policy: str, costs_seed: int) -> ChainExecutor:
    """Split a model and load its chain, with arbitrary costs, so that any cover and any compaction may happen."""
    fitted = policy_example(policy, exits=exits, classes=CLASSES)
    split = split_model(model, [f"exit {k}" for k in range(exits)], maker.inputs(3, seed=5), fitted)
    chain = load_chain(
        Chain(
            inputs=tuple(i for i in _specs(maker)),
            segments=tuple(
                ChainSegment(graph=ir.to_proto(s.model).SerializeToString(), logits=s.logits, score=s.score)
                for s in split.segments
            ),
        ),
        load_backend("onnxruntime"),
        threads=2,
    )
    random = np.random.default_rng(costs_seed)
    return ChainExecutor(
        chain,
        CostTable(
            engine="onnxruntime",
            precision="float32",
            device="test",
            buckets=BUCKETS,
            segment_ms=tuple(tuple(random.uniform(0.1, 1, len(BUCKETS))) for _ in range(exits)),
            whole_ms=(1.0,) * len(BUCKETS),
            move_ms=tuple(random.uniform(0, 0.2, exits - 1)),
        ),
    )


def _specs(maker: NetworkMaker):
    from eengines.tensors import TensorSpec

    yield TensorSpec(name="x", dtype="float32", shape=(maker.width,))
    if maker.with_mask:
        yield TensorSpec(name="mask", dtype="float32", shape=(1,))


def said_by_reference(policy: str, logits: list[np.ndarray]) -> np.ndarray:
    """What the exits answer by the numpy reference of the policy, `[batch, exits, classes]`."""
    example, state, said = policy_example(policy, exits=len(logits), classes=CLASSES), None, []
    for index, own in enumerate(logits):
        _, state = example.score(own, state, exit_index=index)
        said.append(own if index == len(logits) - 1 else example.answer(own, state))
    return np.stack(said, axis=1)


def answers_of(executor: ChainExecutor, inputs, thresholds) -> Answers:
    count = len(inputs["x"])
    answers = Answers(
        outputs=np.full((count, CLASSES), np.nan, np.float32),
        exit_index=np.full(count, -1, np.int32),
        confidence=np.full(count, np.nan, np.float32),
    )
    executor.infer(inputs, thresholds, answers)
    return answers


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    exits=st.integers(1, 4),
    with_mask=st.booleans(),
    with_shape=st.booleans(),
    policy=st.sampled_from(sorted(FOR_ROWS)),
    data=st.data(),
)
def test_any_leaving(seed, exits, with_mask, with_shape, policy, data):
    maker = NetworkMaker(seed, exits=exits, width=6, with_mask=with_mask, with_shape=with_shape)
    model = ir.from_proto(maker.model())
    executor = executor_of(model, maker, exits, policy, costs_seed=seed)
    for batch in data.draw(st.lists(st.integers(1, BUCKETS[-1]), min_size=1, max_size=4)):
        inputs = maker.inputs(batch, seed=batch)
        expected = run_model(model, inputs)
        said = said_by_reference(policy, [expected[f"exit_{k}"] for k in range(exits)])
        _, scores = executor.record(inputs)
        thresholds = [
            None if data.draw(st.booleans()) else float(np.quantile(scores[:, k], data.draw(st.floats(0, 1))))
            for k in range(exits - 1)
        ]

        answers = answers_of(executor, inputs, thresholds)

        reference_exit = np.full(batch, exits - 1)
        for k in reversed(range(exits - 1)):
            if thresholds[k] is not None:
                near = np.abs(scores[:, k] - thresholds[k]) < TOLERANCE
                leaves = scores[:, k] >= np.float32(thresholds[k])
                reference_exit[leaves | (near & (answers.exit_index == k))] = k
                reference_exit[near & (answers.exit_index > k)] = np.maximum(reference_exit, answers.exit_index)[
                    near & (answers.exit_index > k)
                ]
        assert np.array_equal(answers.exit_index, reference_exit)
        chosen = said[np.arange(batch), answers.exit_index]
        assert np.allclose(answers.outputs, chosen, rtol=TOLERANCE, atol=TOLERANCE)
        picked = scores[np.arange(batch), answers.exit_index]
        assert np.allclose(answers.confidence, picked, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("exits", [2, 3])
def test_everybody_leaves_at_once_runs_one_segment(exits):
    maker = NetworkMaker(3, exits=exits, width=6, with_mask=True, with_shape=False)
    executor = executor_of(ir.from_proto(maker.model()), maker, exits, "max-probability", costs_seed=0)
    inputs = maker.inputs(7, seed=1)
    answers = answers_of(executor, inputs, [0.0] * (exits - 1))

    assert (answers.exit_index == 0).all()
    steps = executor.infer(inputs, [0.0] * (exits - 1), answers)
    assert len(steps) == 1
    assert steps[0].left == steps[0].entered == 7


def test_the_same_network_makes_the_same_bytes():
    """Plans of segments are found again after a build that changed nothing in them."""
    maker = NetworkMaker(3, exits=3, width=6, with_mask=True, with_shape=True)
    proto, samples = maker.model(), maker.inputs(3, seed=5)
    names = [f"exit {index}" for index in range(3)]

    def graphs():
        split = split_model(ir.from_proto(proto), names, samples, policy_by_name("margin"))
        models = [*(segment.model for segment in split.segments), split.whole]
        return [ir.to_proto(model).SerializeToString(deterministic=True) for model in models]

    first = graphs()
    assert all(graphs() == first for _ in range(5))
