"""What add_exit_score adds to a segment, and what it refuses."""

from collections.abc import Callable
from typing import Any

import onnx
import onnx_ir as ir
import pytest
from policy_examples import FOR_ROWS, policy_example

from eecompile.lower import ExitScore, add_exit_score
from eengines.errors import BuildError
from eengines.tensors import TensorSpec
from eerun.policies import POLICIES, GeometricEnsemblePolicy, MaxProbabilityPolicy, PatiencePolicy

Builder = Callable[..., Any]
STATE = {name: [spec.name for spec in policy_example(name).state] for name in POLICIES}
UNREAD_AT_THE_END = {"geometric-ensemble"}
"""Policies whose score at the final exit does not depend on the exits before."""


def segment(
    *, shape: tuple[int | str, ...] | None = ("batch", 4), dtype: ir.DataType = ir.DataType.FLOAT, opset: int = 18
) -> tuple[ir.Graph, ir.Value]:
    """Return a graph that passes its input on as logits."""
    raw = ir.val("raw", dtype=dtype, shape=shape)
    node = ir.node("Identity", [raw], outputs=[ir.val("logits", dtype=dtype, shape=shape)])
    graph = ir.Graph([raw], [node.outputs[0]], nodes=[node], opset_imports={"": opset}, name="segment")
    return graph, node.outputs[0]


@pytest.mark.parametrize("opset", [18, 20, 23])
@pytest.mark.parametrize(("index", "last"), [(0, False), (1, False), (2, True), (0, True)])
@pytest.mark.parametrize("policy", FOR_ROWS)
def test_graph_is_valid_and_named_as_promised(
    exit_builder: Builder, policy: str, index: int, last: bool, opset: int
) -> None:
    built = exit_builder(policy, classes=7, index=index, last=last, opset=opset)
    read = () if policy in UNREAD_AT_THE_END and last else STATE[policy]
    state_in = tuple(f"state_{index - 1}_{name}" for name in read) if index else ()
    state_out = () if last else tuple(f"state_{index}_{name}" for name in STATE[policy])
    own = f"score_{index}/logits" if POLICIES[policy].answers_with and not last else None
    assert built.score == ExitScore(score=f"score_{index}", state_in=state_in, state_out=state_out, own_logits=own)
    graph = built.model.graph
    assert [value.name for value in graph.inputs] == ["raw", *state_in]
    assert [value.name for value in graph.outputs] == ["logits", f"score_{index}", *state_out]
    onnx.checker.check_model(ir.to_proto(built.model), full_check=True)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("policy", FOR_ROWS)
def test_every_value_has_a_type_and_a_shape(exit_builder: Builder, policy: str, index: int) -> None:
    graph = exit_builder(policy, classes=7, index=index, last=False, opset=20).model.graph
    values = [*graph.inputs, *(value for node in graph for value in node.outputs)]
    assert all(value.dtype is not None and value.shape is not None for value in values)
    outputs = {value.name: (value.dtype, value.shape) for value in graph.outputs}
    assert outputs[f"score_{index}"] == (ir.DataType.FLOAT, ir.Shape(("batch",)))
    for spec in policy_example(policy).state:
        dtype = ir.DataType.INT64 if spec.dtype == "int64" else ir.DataType.FLOAT
        assert outputs[f"state_{index}_{spec.name}"] == (dtype, ir.Shape(("batch", *spec.shape)))


@pytest.mark.parametrize("policy", FOR_ROWS)
def test_operators(exit_builder: Builder, policy: str) -> None:
    operators = exit_builder(policy, classes=7, index=1, last=False, opset=20).operators
    softmaxes = {"patience": 0, "geometric-ensemble": 2}
    assert operators.count("Softmax") == softmaxes.get(policy, 1)
    assert not {"NonZero", "Compress", "Shape", "If", "Loop"} & set(operators)


@pytest.mark.parametrize(("dtype", "casts"), [("float32", 0), ("float16", 1), ("float64", 1)])
def test_only_the_score_is_cast_to_float32(exit_builder: Builder, dtype: str, casts: int) -> None:
    built = exit_builder("margin", classes=7, index=0, last=False, opset=20, dtype=dtype)
    assert built.operators.count("Cast") == casts
    assert built.model.graph.outputs[0].dtype.numpy().name == dtype
    assert built.model.graph.outputs[1].dtype is ir.DataType.FLOAT


def test_new_nodes_can_be_told_by_their_names(exit_builder: Builder) -> None:
    graph = exit_builder("entropy", classes=7, index=2, last=False, opset=20).model.graph
    added = [node for node in graph if node.op_type != "Neg"]
    assert len(added) > 3
    assert all(str(node.name).startswith("score_2/") for node in added)


def test_two_exits_fit_into_one_graph() -> None:
    graph, logits = segment()
    first = add_exit_score(graph, logits=logits, policy=MaxProbabilityPolicy(), exit_index=0, last=False)
    second = add_exit_score(graph, logits=logits, policy=MaxProbabilityPolicy(), exit_index=1, last=True)
    assert (first.score, second.score) == ("score_0", "score_1")
    onnx.checker.check_model(ir.to_proto(ir.Model(graph, ir_version=10)), full_check=True)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"opset": 17}, "got default ONNX opset 17"),
        ({"shape": (8, 4)}, "got the fixed batch size 8"),
        ({"shape": ("batch", 1)}, "got 1 classes"),
        ({"shape": ("batch", "classes")}, "got classes classes"),
        ({"shape": ("batch", 4, 2, 3, 3)}, r"expected \[batch, classes\]"),
        ({"shape": ("batch", "images", 4)}, "expected a fixed number of images a row"),
        ({"shape": None}, "got shape None"),
        ({"dtype": ir.DataType.INT64}, "got dtype INT64"),
    ],
    ids=[
        "old opset",
        "fixed batch",
        "one class",
        "unknown classes",
        "five axes",
        "unknown images",
        "no shape",
        "integers",
    ],
)
def test_refuses_logits_that_cannot_be_scored(changes: dict[str, Any], problem: str) -> None:
    graph, logits = segment(**changes)
    with pytest.raises(BuildError, match=problem):
        add_exit_score(graph, logits=logits, policy=MaxProbabilityPolicy(), exit_index=0, last=False)


def test_refuses_a_negative_exit_index() -> None:
    graph, logits = segment()
    with pytest.raises(BuildError, match="negative exit index"):
        add_exit_score(graph, logits=logits, policy=MaxProbabilityPolicy(), exit_index=-1, last=False)


def test_refuses_logits_of_another_graph() -> None:
    graph, _ = segment()
    _, elsewhere = segment()
    with pytest.raises(BuildError, match="no value of graph 'segment'"):
        add_exit_score(graph, logits=elsewhere, policy=MaxProbabilityPolicy(), exit_index=0, last=False)


def test_refuses_a_second_score_of_one_exit() -> None:
    graph, logits = segment()
    add_exit_score(graph, logits=logits, policy=MaxProbabilityPolicy(), exit_index=0, last=False)
    with pytest.raises(BuildError, match="value 'score_0'"):
        add_exit_score(graph, logits=logits, policy=MaxProbabilityPolicy(), exit_index=0, last=False)


class ForgetfulPolicy(PatiencePolicy):
    """Declares one state tensor more than it computes."""

    name = "forgetful"

    @property
    def state(self):
        return (*PatiencePolicy().state, TensorSpec(name="more", dtype="float32", shape=()))


class MistypedPolicy(PatiencePolicy):
    """Declares its label with another type than it computes."""

    name = "mistyped"

    @property
    def state(self):
        return (TensorSpec(name="label", dtype="int32", shape=()), PatiencePolicy().state[1])


@pytest.mark.parametrize(
    ("policy", "problem"),
    [(ForgetfulPolicy(), "returned 2 state values, expected 3"), (MistypedPolicy(), "got INT64")],
    ids=["too few", "other type"],
)
def test_refuses_a_policy_that_breaks_its_declaration(policy: PatiencePolicy, problem: str) -> None:
    graph, logits = segment()
    with pytest.raises(BuildError, match=problem):
        add_exit_score(graph, logits=logits, policy=policy, exit_index=0, last=False)


def test_a_policy_that_compares_one_class_a_sample_refuses_maps(exit_builder):
    with pytest.raises(BuildError, match="policy patience compares one class a sample") as refusal:
        exit_builder("patience", classes=3, index=0, last=False, opset=20, pixels=(4, 4))
    assert "--policy max-probability" in refusal.value.remedy


def test_maps_have_a_fixed_height_and_width(exit_builder):
    with pytest.raises(BuildError, match="expected a fixed height and width"):
        exit_builder("margin", classes=3, index=0, last=False, opset=20, pixels=("height", 4))


def test_a_policy_that_counts_pixels_refuses_rows(exit_builder):
    with pytest.raises(BuildError, match="policy pixel-count counts the pixels of a map"):
        exit_builder("pixel-count", classes=3, index=0, last=False, opset=20)


ENSEMBLE = GeometricEnsemblePolicy(classes=4, weights=(1.0, 0.5), carried=(0.0, 0.5))


@pytest.mark.parametrize("dtype", [ir.DataType.FLOAT, ir.DataType.FLOAT16])
def test_an_answer_takes_the_name_and_the_place_of_the_logits(dtype):
    graph, logits = segment(dtype=dtype)
    boundary = ir.node("Neg", [graph.inputs[0]], outputs=[ir.val("trunk", dtype=dtype, shape=("batch", 4))])
    graph.append(boundary)
    graph.outputs.append(boundary.outputs[0])
    made = add_exit_score(graph, logits=logits, policy=ENSEMBLE, exit_index=0, last=False)
    assert made.own_logits == logits.name == "score_0/logits"
    assert logits.dtype is dtype
    assert [value.name for value in graph.outputs] == ["logits", "trunk", "score_0", "state_0_log_product"]
    assert (graph.outputs[0].dtype, graph.outputs[0].shape) == (ir.DataType.FLOAT, ir.Shape(("batch", 4)))
    assert all(str(node.name).startswith("score_0/") for node in logits.consumers())
    onnx.checker.check_model(ir.to_proto(ir.Model(graph, ir_version=10)), full_check=True)


def test_the_final_exit_keeps_its_logits_and_reads_no_state(exit_builder):
    built = exit_builder("geometric-ensemble", classes=4, index=2, last=True, opset=20)
    assert built.score.own_logits is None
    assert built.score.state_in == ()
    assert [value.name for value in built.model.graph.inputs] == ["raw"]
    assert built.model.graph.outputs[0].producer().op_type == "Neg"


def test_refuses_logits_that_are_no_output_of_a_node():
    graph, logits = segment()
    with pytest.raises(BuildError, match="expected an output of the graph that a node makes"):
        add_exit_score(graph, logits=graph.inputs[0], policy=ENSEMBLE, exit_index=0, last=False)
    graph.outputs.clear()
    with pytest.raises(BuildError, match="expected an output of the graph that a node makes"):
        add_exit_score(graph, logits=logits, policy=ENSEMBLE, exit_index=0, last=False)


def test_refuses_an_ensemble_of_other_classes():
    graph, logits = segment(shape=("batch", 5))
    with pytest.raises(BuildError, match=r"geometric-ensemble answers with \['batch', 4\]"):
        add_exit_score(graph, logits=logits, policy=ENSEMBLE, exit_index=0, last=False)
