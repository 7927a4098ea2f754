"""Names of nodes and exits that stay in float."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from eecompile.build.keep_float import answer_nodes, named_nodes
from eecompile.split import Segment
from eengines.errors import UserError

EXITS = ("early", "middle", "final")


@pytest.fixture(scope="module")
def split(built):
    return built.prepared.split


def test_a_node_by_name(split):
    assert named_nodes(split, EXITS, ["n_deep_1"]) == {"n_deep_1"}
    assert named_nodes(split, EXITS, []) == frozenset()


@pytest.mark.parametrize(("index", "name"), [(0, "early"), (1, "middle")])
def test_an_exit_stands_for_its_whole_head_and_nothing_of_the_trunk(split, index, name):
    found = named_nodes(split, EXITS, [name])
    assert {f"n_project_{index}", f"n_head_{index}", f"n_exit_{index}"} <= found
    assert not found & {"n_stage_0", "n_stage_1", "n_deep_1", "n_sum_1", "n_stage_2"}
    assert not any(
        f"_{other}" in node and node.startswith("n_exit") for other in range(3) if other != index for node in found
    )


def test_the_last_exit_stands_for_its_answer_layer_and_not_for_the_last_segment(split):
    found = named_nodes(split, EXITS, ["final"])
    kinds = {node.name: node.op_type for node in split.segments[-1].model.graph if node.name in found}
    assert {"n_pool_2": "AveragePool", "n_exit_2": "Gemm"}.items() <= kinds.items()
    assert sorted({*kinds.values()} - {"AveragePool", "Gemm"}) in (["Flatten"], ["Reshape"])
    assert len(found) == 3


@pytest.mark.parametrize("name", EXITS)
def test_nodes_of_a_score_are_not_listed(split, name):
    assert any(node.name.startswith("score_") for segment in split.segments for node in segment.model.graph)
    found = named_nodes(split, EXITS, [name])
    assert found
    assert not any(node.startswith("score_") for node in found)


WEIGHTS = {"k": (3, 3, 1, 1), "m": (3, 3), "bias": (3,)}


def last_segment(*steps: tuple[str, list[str], str]) -> Segment:
    """A segment `x [batch, 3, 4, 4]` → `logits`, from operator, inputs and output of each node; `n_OUTPUT` its name."""
    nodes = [helper.make_node(op, given, [made], name=f"n_{made}") for op, given, made in steps]
    nodes.append(helper.make_node("Softmax", ["logits"], ["p"], name="score_2/Softmax_0"))
    stored = [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in WEIGHTS.items()]
    graph = helper.make_graph(
        nodes,
        "last",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 4, 4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("logits", "p")],
        stored,
    )
    model = ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]))
    return Segment(model=model, logits="logits", score="p", macs=1, parameters=1)


TRUNK = [("Conv", ["x", "k"], "c"), ("Relu", ["c"], "r")]
POOLED = [("GlobalAveragePool", ["r"], "g"), ("Flatten", ["g"], "f")]
ENDS = {
    "a MatMul with its bias and activation, and the pooling in front": (
        [*TRUNK, *POOLED, ("MatMul", ["f", "m"], "d"), ("Add", ["d", "bias"], "b"), ("Sigmoid", ["b"], "logits")],
        {"n_g", "n_f", "n_d", "n_b", "n_logits"},
    ),
    "a Conv with the pooling behind it": (
        [*TRUNK, ("Conv", ["r", "k"], "c2"), ("GlobalAveragePool", ["c2"], "g"), ("Flatten", ["g"], "logits")],
        {"n_c2", "n_g", "n_logits"},
    ),
    "two layers whose results are added": (
        [*TRUNK, *POOLED, ("Gemm", ["f", "m"], "d"), ("Gemm", ["f", "m"], "e"), ("Add", ["d", "e"], "logits")],
        {"n_d", "n_e", "n_logits"},
    ),
    "a product of two values, which is no layer": (
        [
            *TRUNK,
            *POOLED,
            ("Gemm", ["f", "m"], "d"),
            ("Transpose", ["d"], "t"),
            ("MatMul", ["d", "t"], "a"),
            ("MatMul", ["a", "d"], "logits"),
        ],
        {"n_g", "n_f", "n_d", "n_t", "n_a", "n_logits"},
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_answer_layer(end):
    steps, expected = ENDS[end]
    assert answer_nodes(last_segment(*steps)) == expected


def test_names_add_up(split):
    both = named_nodes(split, EXITS, ["early", "n_stage_2"])
    assert both == named_nodes(split, EXITS, ["early"]) | {"n_stage_2"}


@pytest.mark.parametrize("name", ["n_nothing", "", "EARLY"])
def test_an_unknown_name_names_the_exits_and_where_to_look(split, name):
    with pytest.raises(UserError, match="neither a node nor one of the exits early, middle, final") as caught:
        named_nodes(split, EXITS, ["early", name])
    assert caught.value.where == "--keep-float"
    assert repr(name) in caught.value.problem
    assert "eecompile inspect SEGMENT.onnx" in caught.value.remedy
