"""Nodes and initialisers that IrGraphOps appends."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from eecompile.lower import IrGraphOps
from eengines.errors import BuildError


def graph_with_input(shape: tuple[int | str, ...] = ("batch", 4), *, name: str = "x") -> tuple[ir.Graph, ir.Value]:
    """Return an empty graph with one float32 input."""
    value = ir.val(name, dtype=ir.DataType.FLOAT, shape=shape)
    return ir.Graph([value], [], nodes=[], opset_imports={"": 20}, name="empty"), value


def test_dtype_and_shape_are_inferred_from_constants_too() -> None:
    graph, value = graph_with_input()
    ops = IrGraphOps(graph, prefix="p")
    reduced = ops.op("ReduceMax", value, ops.constant(np.array([1], np.int64)), keepdims=0)
    best = ops.op("TopK", value, ops.constant(np.array([3], np.int64)), axis=1)
    assert (reduced.dtype, reduced.shape) == (ir.DataType.FLOAT, ir.Shape(("batch",)))
    assert (best.dtype, best.shape) == (ir.DataType.FLOAT, ir.Shape(("batch", 3)))
    assert [len(node.outputs) for node in graph] == [1, 2]


def test_a_constant_is_a_copy_with_its_own_type() -> None:
    graph, _ = graph_with_input()
    array = np.array([1.5, 2.5], np.float32)
    made = IrGraphOps(graph, prefix="p").constant(array)
    array[:] = 0
    assert made.const_value is not None
    np.testing.assert_array_equal(made.const_value.numpy(), np.array([1.5, 2.5], np.float32))
    assert (made.dtype, made.shape) == (ir.DataType.FLOAT, ir.Shape((2,)))
    assert graph.initializers[str(made.name)] is made


def test_names_in_use_are_skipped() -> None:
    graph, value = graph_with_input(name="p/Neg_0")
    first = IrGraphOps(graph, prefix="p").op("Neg", value)
    second = IrGraphOps(graph, prefix="p").op("Neg", first)
    assert [first.name, second.name] == ["p/Neg_1", "p/Neg_2"]


def test_names_of_subgraphs_are_skipped() -> None:
    graph, value = graph_with_input()
    branch = [ir.node("Neg", [value], outputs=[ir.val("p/Neg_0")], name="inside") for _ in range(2)]
    branches = {
        key: ir.Graph([], [node.outputs[0]], nodes=[node], name=key)
        for key, node in zip(("then_branch", "else_branch"), branch, strict=True)
    }
    condition = ir.val("condition", dtype=ir.DataType.BOOL, shape=())
    graph.inputs.append(condition)
    graph.append(ir.node("If", [condition], branches, outputs=[ir.val("chosen")]))
    assert IrGraphOps(graph, prefix="p").op("Neg", value).name == "p/Neg_1"


def test_shape_of_known_dimensions_is_a_constant_and_of_others_a_node() -> None:
    graph, value = graph_with_input()
    ops = IrGraphOps(graph, prefix="p")
    classes = ops.op("Shape", value, start=1, end=2)
    assert classes.const_value is not None
    np.testing.assert_array_equal(classes.const_value.numpy(), np.array([4], np.int64))
    assert ops.op("Shape", value).const_value is None
    assert [node.op_type for node in graph] == ["Shape"]


def test_one_value_under_two_output_names_is_copied() -> None:
    graph, value = graph_with_input()
    ops = IrGraphOps(graph, prefix="p")
    made = ops.op("Neg", value)
    for name, each in (("first", made), ("second", made), ("third", value)):
        ops.graph_output(each, name, dtype=ir.DataType.FLOAT, shape=("batch", 4))
    assert [output.name for output in graph.outputs] == ["first", "second", "third"]
    assert [node.op_type for node in graph] == ["Neg", "Identity", "Identity"]
    onnx.checker.check_model(ir.to_proto(ir.Model(graph, ir_version=10)), full_check=True)


def test_a_value_takes_the_name_and_the_place_of_an_output() -> None:
    graph, value = graph_with_input()
    old = ir.node("Neg", [value], outputs=[ir.val("y", dtype=ir.DataType.FLOAT, shape=("batch", 4))])
    more = ir.node("Abs", [old.outputs[0]], outputs=[ir.val("z", dtype=ir.DataType.FLOAT, shape=("batch", 4))])
    graph.extend([old, more])
    graph.outputs.extend([old.outputs[0], more.outputs[0]])
    ops = IrGraphOps(graph, prefix="p")
    ops.replace_output(old.outputs[0], ops.op("Exp", value), aside="p/own")
    assert [(output.name, output.producer().op_type) for output in graph.outputs] == [("y", "Exp"), ("z", "Abs")]
    assert more.inputs[0].name == "p/own"
    assert not old.outputs[0].is_graph_output()
    onnx.checker.check_model(ir.to_proto(ir.Model(graph, ir_version=10)), full_check=True)
    with pytest.raises(BuildError, match="value 'p/own'"):
        ops.replace_output(graph.outputs[1], value, aside="p/own")


def test_refuses_an_output_of_another_type() -> None:
    graph, value = graph_with_input()
    ops = IrGraphOps(graph, prefix="p")
    with pytest.raises(BuildError, match="graph output 'y'"):
        ops.graph_output(ops.op("Neg", value), "y", dtype=ir.DataType.INT64, shape=("batch", 4))


def test_refuses_an_input_name_that_is_taken() -> None:
    graph, _ = graph_with_input()
    with pytest.raises(BuildError, match="value 'x'"):
        IrGraphOps(graph, prefix="p").graph_input("x", dtype=ir.DataType.FLOAT, shape=("batch",))


def test_refuses_an_operator_that_does_not_exist() -> None:
    graph, value = graph_with_input()
    with pytest.raises(BuildError, match="ONNX opset 20 has no such operator"):
        IrGraphOps(graph, prefix="p").op("SoftestMax", value)


def test_refuses_inputs_that_do_not_fit() -> None:
    graph, value = graph_with_input()
    ops = IrGraphOps(graph, prefix="p")
    with pytest.raises(BuildError, match="does not take these inputs"):
        ops.op("Add", value, ops.constant(np.zeros(3, np.float32)))
    assert len(graph) == 0
