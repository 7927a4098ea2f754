"""Exits that end in a softmax get their logits back."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from eecompile.passes import peel_softmax
from eecompile.session import run_model


def network(operator: str, *, axis: int, shape: tuple[int | str, ...] = ("batch", 3)) -> ir.Model:
    """`x` → `2x` → softmax, and an exit without one."""
    nodes = [
        helper.make_node("Add", ["x", "x"], ["twice"], name="add"),
        helper.make_node(operator, ["twice"], ["a"], name="soft", axis=axis),
        helper.make_node("Neg", ["twice"], ["b"], name="neg"),
    ]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "a", "b")]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:])
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [-1, 1])
def test_the_logits_become_the_exit(operator, axis):
    model = network(operator, axis=axis)
    assert peel_softmax(model) == (0,)
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    results = run_model(model, {"x": x})
    assert np.array_equal(results["twice"], 2 * x)
    assert np.array_equal(results["b"], -2 * x)
    assert [node.op_type for node in model.graph] == ["Add", "Neg"]


def test_a_softmax_over_another_axis_stays():
    model = network("Softmax", axis=0)
    assert peel_softmax(model) == ()
    assert [value.name for value in model.graph.outputs] == ["a", "b"]


@pytest.mark.parametrize(("axis", "peeled"), [(1, True), (-3, True), (-1, False), (3, False)])
def test_of_maps_only_a_softmax_over_the_classes_is_taken_away(axis, peeled):
    model = network("Softmax", axis=axis, shape=("batch", 3, 4, 5))
    assert peel_softmax(model) == ((0,) if peeled else ())
    assert model.graph.outputs[0].name == ("twice" if peeled else "a")
