"""How single operators are typed: by the ONNX standard, and by their constants."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from eecompile.precision.float_types import to_half
from eecompile.session import run_model
from eengines.errors import BuildError

FLOAT16, BFLOAT16 = ir.DataType.FLOAT16, ir.DataType.BFLOAT16


def graph_of(nodes, weights, *, opset=18, inputs=(("x", TensorProto.FLOAT, ["batch", 2, 4, 4]),)) -> ir.Model:
    """A graph with the output `y [batch, …] float32`."""
    output = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(*spec) for spec in inputs],
        output,
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return ir.from_proto(onnx.shape_inference.infer_shapes(model))


def half(model, dtype=FLOAT16):
    report = to_half(model, dtype=dtype, crossing=frozenset(), keep_float=frozenset())
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    return report


def test_an_input_of_fixed_type_stays_float32():
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], name="r"),
        helper.make_node("Resize", ["r", "", "s"], ["y"], name="n"),
    ]
    model = graph_of(nodes, {"s": np.array([1, 1, 2, 2], np.float32)})
    report = half(model)
    assert "n" in report.half_nodes
    assert model.graph.initializers["s"].dtype is ir.DataType.FLOAT
    x = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4)
    assert np.array_equal(run_model(model, {"x": x})["y"], x.repeat(2, 2).repeat(2, 3))


def test_an_operator_without_bfloat16_stays_float32_and_is_named():
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], name="r"),
        helper.make_node("Celu", ["r"], ["y"], name="n"),
    ]
    model = graph_of(nodes, {})
    report = half(model, BFLOAT16)
    assert [(n.name, n.reason) for n in report.float_nodes] == [("n", "Celu-12 of ONNX has no bfloat16")]


def test_a_constant_that_overflows_keeps_its_node_float32():
    nodes = [helper.make_node("Relu", ["x"], ["r"], name="r"), helper.make_node("Max", ["r", "w"], ["y"], name="n")]
    model = graph_of(nodes, {"w": np.array([-1e9, 1], np.float32)[:, None, None]})
    report = half(model)
    assert [(c.name, c.overflowing, c.largest) for c in report.overflowing] == [("w", 1, 1e9)]
    assert report.float_nodes[0].reason == "constant 'w' overflows in float16: 1 elements, up to 1e+09"


def test_a_constant_that_vanishes_keeps_its_node_float32():
    nodes = [helper.make_node("Relu", ["x"], ["r"], name="r"), helper.make_node("Add", ["r", "w"], ["y"], name="n")]
    model = graph_of(nodes, {"w": np.array(1e-9, np.float32)})
    report = half(model)
    assert [c.vanishing for c in report.vanishing] == [1]
    assert [n.name for n in report.float_nodes] == ["n"]


def test_a_constant_read_in_both_types_is_there_twice():
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], name="r"),
        helper.make_node("Max", ["r", "w"], ["m"], name="m"),
        helper.make_node("Add", ["m", "w"], ["y"], name="kept"),
    ]
    model = graph_of(nodes, {"w": np.array(1 / 3, np.float32)})
    to_half(model, dtype=FLOAT16, crossing=frozenset(), keep_float=frozenset({"kept"}))
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert {v.name: v.dtype for v in model.graph.initializers.values()} == {
        "w": ir.DataType.FLOAT,
        "w/float16": FLOAT16,
    }


def test_shape_reads_a_raw_input_without_a_cast():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], name="s", start=0, end=1),
        helper.make_node("Concat", ["s", "rest"], ["t"], name="t", axis=0),
        helper.make_node("Relu", ["x"], ["r"], name="r"),
        helper.make_node("Reshape", ["r", "t"], ["y"], name="n"),
    ]
    model = graph_of(nodes, {"rest": np.array([32])})
    report = half(model)
    assert report.casts == 2
    assert model.graph.node("s").inputs[0] is model.graph.inputs[0]


def test_integers_stay():
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["g"], name="g"),
        helper.make_node("Relu", ["g"], ["y"], name="n"),
    ]
    table = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)
    model = graph_of(nodes, {"table": table}, inputs=(("x", TensorProto.INT64, ["batch", 2]),))
    report = half(model)
    assert report.half_nodes == ("g", "n")
    assert model.graph.inputs[0].dtype is ir.DataType.INT64


def test_a_subgraph_is_refused():
    body = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["b"])], "b", [], [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)]
    )
    model = graph_of(
        [helper.make_node("If", ["c"], ["y"], name="n", then_branch=body, else_branch=body)], {"c": np.array(True)}
    )
    with pytest.raises(BuildError, match=r"node 'n' \(If\): it holds a subgraph.*without control flow"):
        half(model)


def test_another_type_is_refused():
    with pytest.raises(BuildError, match="got DOUBLE, expected FLOAT16 or BFLOAT16"):
        half(graph_of([helper.make_node("Relu", ["x"], ["y"], name="n")], {}), ir.DataType.DOUBLE)
