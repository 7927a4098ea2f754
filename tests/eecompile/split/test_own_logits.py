"""A chain whose early exits answer with the state of the policy, in every precision, and in a cascade of heads."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from branchy_segments import branchy_samples, branchy_split
from onnx import TensorProto, helper, numpy_helper
from policy_examples import policy_example

from eecalib.int8.survivors import Survivors
from eecompile.build.calibrate import calibrate
from eecompile.build.lower_graphs import Lowering, lower_graphs
from eecompile.split import Split, split_model
from eengines.backends import load_backend
from eengines.tensors import Array, TensorSpec
from eerun.costs import CostTable
from eerun.data import Samples
from eerun.executor import Answers, Chain, ChainExecutor, ChainSegment, load_chain
from eerun.policies import policy_by_name

EXITS, CLASSES, WIDTH, ROWS = 3, 4, 6, 16


class Silent:
    """Stages that show nothing."""

    def warn(self, text: str) -> None:
        """See `Stages.warn`."""

    def progress(self, share: float) -> None:
        """See `Stages.progress`."""


def cascade() -> ir.Model:
    """Each head also reads the logits of all heads before, as in Zero-Time Waste: logits cross the boundaries."""
    random = np.random.default_rng(3)
    nodes, weights = [], []

    def add(op: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(op, inputs, [output], name=f"make_{output}", **attributes))
        return output

    def linear(value: str, inputs: int, outputs: int, output: str) -> str:
        array = (random.standard_normal((inputs, outputs)) * 1.5 / np.sqrt(inputs)).astype(np.float32)
        weights.append(numpy_helper.from_array(array, f"{output}_w"))
        return add("MatMul", [value, f"{output}_w"], output)

    trunk = "x"
    for k in range(EXITS):
        trunk = add("Tanh", [linear(trunk, WIDTH, WIDTH, f"pre_{k}")], f"trunk_{k}")
        read = [trunk, *(f"exit_{j}" for j in range(k))]
        joined = add("Concat", read, f"joined_{k}", axis=1) if k else trunk
        linear(joined, WIDTH + CLASSES * k, CLASSES, f"exit_{k}")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", WIDTH])]
    outputs = [helper.make_tensor_value_info(f"exit_{k}", TensorProto.FLOAT, ["batch", CLASSES]) for k in range(EXITS)]
    graph = helper.make_graph(nodes, "cascade", inputs, outputs, weights)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(proto)
    return ir.from_proto(proto)


def cascade_samples(count: int, seed: int) -> dict[str, Array]:
    return {"x": np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)}


def cascade_split(policy: str) -> Split:
    example = policy_example(policy, exits=EXITS, classes=CLASSES)
    return split_model(cascade(), [f"exit {k}" for k in range(EXITS)], cascade_samples(3, 1), example)


def executor_of(split: Split, engine: str, precision: str, ranges, spec: TensorSpec) -> ChainExecutor:
    source = Lowering(split=split, ranges=ranges, keep_float=frozenset())
    graphs = lower_graphs(source, family=engine, precision=precision).segments
    segments = tuple(
        ChainSegment(graph=graph, logits=segment.logits, score=segment.score)
        for graph, segment in zip(graphs, split.segments, strict=True)
    )
    chain = load_chain(Chain(inputs=(spec,), segments=segments), load_backend(engine), threads=2)
    return ChainExecutor(chain, costs_of(engine, precision))


def costs_of(engine: str, precision: str) -> CostTable:
    """Moving survivors is for nothing, so they are moved."""
    row = (1.0, 4.0, 16.0)
    return CostTable(
        engine=engine,
        precision=precision,
        device="test",
        buckets=(1, 4, ROWS),
        segment_ms=(row,) * EXITS,
        whole_ms=(3.0, 12.0, 48.0),
        move_ms=(0.0,) * (EXITS - 1),
    )


def ensemble_of(logits: Array) -> tuple[Array, Array]:
    """Answers `[rows, exits, classes]` and scores `[rows, exits]` by the numpy reference."""
    example = policy_example("geometric-ensemble", exits=EXITS, classes=logits.shape[2])
    said, scores, state = [], [], None
    for k in range(EXITS):
        own = np.ascontiguousarray(logits[:, k])
        score, state = example.score(own, state, exit_index=k)
        said.append(own if k == EXITS - 1 else example.answer(own, state))
        scores.append(score)
    return np.stack(said, axis=1), np.stack(scores, axis=1)


def check(plain: ChainExecutor, ensemble: ChainExecutor, inputs: Mapping[str, Array], tolerance: float) -> None:
    """The ensemble's chain says what the reference makes of the logits of the plain one, whoever leaves."""
    logits, _ = plain.record(inputs)
    said, scores = ensemble_of(logits)
    got, got_scores = ensemble.record(inputs)
    np.testing.assert_allclose(got, said, atol=tolerance, rtol=0)
    np.testing.assert_allclose(got_scores, scores, atol=tolerance, rtol=0)
    thresholds = [float(np.median(got_scores[:, k])) for k in range(EXITS - 1)]
    answers = Answers(
        outputs=np.full(logits[:, 0].shape, np.nan, np.float32),
        exit_index=np.full(len(logits), -1, np.int32),
        confidence=np.full(len(logits), np.nan, np.float32),
    )
    ensemble.infer(inputs, thresholds, answers)
    assert len(set(answers.exit_index.tolist())) == EXITS
    rows = np.arange(len(logits))
    np.testing.assert_allclose(answers.outputs, got[rows, answers.exit_index], atol=tolerance, rtol=0)


WAYS = [
    ("onnxruntime", "float32", 1e-5),
    ("onnxruntime", "int8", 1e-5),
    ("openvino", "float32", 1e-4),
    ("openvino", "bfloat16", 1e-4),
    ("openvino", "int8", 1e-4),
]
"""Engine, precision, and by how much float32 arithmetic behind the same logits may differ."""


@pytest.fixture(scope="module")
def branchy() -> dict[str, tuple[Split, object]]:
    """Segments under two policies, and their ranges."""
    samples = Samples(inputs={"image": branchy_samples(64, seed=3)}, labels=None)
    every = (Survivors(rows=np.arange(64), reached=64, padded=False),) * EXITS
    found = {}
    for policy in ("max-probability", "geometric-ensemble"):
        split = branchy_split(policy)
        ranges = calibrate(
            split,
            samples,
            calibrator="min-max",
            calibrate_on="all",
            survivors=every,
            keep_float=frozenset(),
            stages=Silent(),
        )
        found[policy] = (split, ranges)
    return found


@pytest.mark.parametrize(("engine", "precision", "tolerance"), WAYS)
def test_only_the_answer_differs(branchy, engine, precision, tolerance):
    (split, ranges), (ensemble, ensemble_ranges) = branchy["max-probability"], branchy["geometric-ensemble"]
    assert ensemble_ranges == ranges
    assert ensemble.crossing == split.crossing
    spec = TensorSpec(name="image", dtype="uint8", shape=(2, 8, 8))
    check(
        executor_of(split, engine, precision, ranges, spec),
        executor_of(ensemble, engine, precision, ranges, spec),
        {"image": branchy_samples(ROWS, seed=5)},
        tolerance,
    )


@pytest.mark.parametrize(("engine", "precision", "tolerance"), [way for way in WAYS if way[1] != "int8"])
def test_heads_that_read_logits_read_those_of_the_head(engine, precision, tolerance):
    plain, ensemble = cascade_split("max-probability"), cascade_split("geometric-ensemble")
    assert [value.name for value in ensemble.segments[1].model.graph.inputs][:2] == ["trunk_0", "score_0/logits"]
    assert ensemble.segments[1].logits == "exit_1"
    spec = TensorSpec(name="x", dtype="float32", shape=(WIDTH,))
    check(
        executor_of(plain, engine, precision, None, spec),
        executor_of(ensemble, engine, precision, None, spec),
        cascade_samples(ROWS, 5),
        tolerance,
    )


def test_other_policies_leave_the_names_alone():
    split = cascade_split("gati")
    assert {value.name for value in split.segments[2].model.graph.inputs} == {"trunk_1", "exit_0", "exit_1"}
    assert policy_by_name("margin").answer("logits", ()) == "logits"


@pytest.mark.parametrize("policy", ["max-probability", "geometric-ensemble"])
def test_a_split_is_valid_onnx(policy):
    for segment in cascade_split(policy).segments:
        onnx.checker.check_model(ir.to_proto(segment.model), full_check=True)
        assert segment.model.graph.outputs[0].name == segment.logits


def test_weights_of_a_policy_are_no_parameters_of_the_network():
    counts = {p: [s.parameters for s in cascade_split(p).segments] for p in ("max-probability", "gati", "margin")}
    assert counts["max-probability"] == counts["gati"] == counts["margin"] == [60, 76, 92]
