"""Graphs that cannot be cut are refused with the place and the reason."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from eecompile.split import split_model
from eengines.errors import SplitError
from eerun.policies import policy_by_name

F = TensorProto.FLOAT


def model(nodes, outputs, weights=(), input_shape=("batch", 4)):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", F, list(input_shape))],
        [helper.make_tensor_value_info(name, F, shape) for name, shape in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights],
    )
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))


def split(network, exits, shape=(4,)):
    x = np.random.default_rng(0).standard_normal((3, *shape)).astype(np.float32)
    return split_model(network, exits, {"x": x}, policy_by_name("max-probability"))


def node(op, inputs, outputs, name=None, **attributes):
    return helper.make_node(op, inputs, outputs, name=name or outputs[0], **attributes)


W = ("w", np.random.default_rng(1).standard_normal((4, 4)).astype(np.float32))
TWO = [("a", ["batch", 4]), ("b", ["batch", 4])]


def test_exits_from_deep_to_shallow():
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["early"]), node("MatMul", ["h", "w"], ["late"])]
    assert len(split(model(nodes, [("early", ["batch", 4]), ("late", ["batch", 4])], [W]), ["e", "l"]).segments) == 2
    chained = [node("MatMul", ["x", "w"], ["h"]), node("MatMul", ["h", "w"], ["late"])]
    with pytest.raises(SplitError, match=r"exit 'l': it depends on exit 'e', which is listed after it.*--exits"):
        split(model(chained, [("late", ["batch", 4]), ("h", ["batch", 4])], [W]), ["l", "e"])


def test_exits_out_of_order_are_seen_in_their_costs():
    nodes = [
        node("MatMul", ["x", "w"], ["one"]),
        node("MatMul", ["one", "w"], ["two"]),
        node("MatMul", ["two", "w"], ["three"]),
        node("MatMul", ["one", "w"], ["a"]),
    ]
    found = split(model(nodes, [("three", ["batch", 4]), ("a", ["batch", 4])], [W]), ["final", "early"])
    assert found.exit_macs == (48, 32)


def test_heads_that_read_earlier_heads_are_accepted():
    nodes = [
        node("MatMul", ["x", "w"], ["one"]),
        node("MatMul", ["one", "w"], ["a"]),
        node("MatMul", ["one", "w"], ["two"]),
        node("MatMul", ["two", "w"], ["own"]),
        node("Add", ["own", "a"], ["b"]),
        node("MatMul", ["two", "w"], ["c"]),
    ]
    found = split(model(nodes, [(n, ["batch", 4]) for n in "abc"], [W]), ["a", "b", "c"])
    assert [len(s.operations) for s in found.plan.segments] == [2, 3, 1]


def test_row_numbers_are_made_anew_in_each_segment():
    """`x[arange(batch), last]`: the row numbers follow the batch that is left."""
    nodes = [
        node("Shape", ["x"], ["count1"], start=0, end=1),
        node("Squeeze", ["count1"], ["count"]),
        node("Range", ["zero", "count", "step"], ["rows"]),
        node("Unsqueeze", ["rows", "last_axis"], ["index"]),
        node("Concat", ["index", "index"], ["pairs0"], axis=1),
        node("MatMul", ["x", "w"], ["a"]),
        node("MatMul", ["a", "w"], ["h"]),
        node("GatherND", ["h", "index"], ["b"]),
    ]
    weights = [W, ("zero", np.array(0)), ("step", np.array(1)), ("last_axis", np.array([1]))]
    found = split(model(nodes, TWO, weights), ["a", "b"])
    assert [v.name for v in found.segments[1].model.graph.inputs] == ["a"]


def test_an_exit_that_no_input_reaches():
    shape = node("Shape", ["x"], ["size"], start=0, end=1)
    full = node("Concat", ["size", "four"], ["full"], axis=0)
    nodes = [shape, full, node("Expand", ["const", "full"], ["a"]), node("MatMul", ["x", "w"], ["b"])]
    weights = [W, ("four", np.array([4])), ("const", np.ones((1, 4), np.float32))]
    with pytest.raises(SplitError, match=r"exit 'first': tensor 'a' does not depend on any input"):
        split(model(nodes, TWO, weights), ["first", "second"])


def test_two_exits_with_the_same_tensor():
    network = model([node("MatMul", ["x", "w"], ["a"])], [("a", ["batch", 4])], [W])
    network.graph.outputs.append(network.graph.outputs[0])
    with pytest.raises(SplitError, match=r"exit 'second': it is the same tensor 'a' as exit 'first'"):
        split(network, ["first", "second"])


def test_a_reduction_over_the_batch():
    nodes = [
        node("ReduceMean", ["x", "zero"], ["mean"], keepdims=1),
        node("Sub", ["x", "mean"], ["centred"]),
        node("MatMul", ["centred", "w"], ["a"]),
        node("MatMul", ["a", "w"], ["b"]),
    ]
    with pytest.raises(SplitError, match=r"node 'centred' \(Sub\).*depends on the other samples|'mean' is made from"):
        split(model(nodes, TWO, [W, ("zero", np.array([0]))]), ["a", "b"])


def test_a_softmax_over_the_batch():
    nodes = [node("Softmax", ["x"], ["soft"], axis=0), node("MatMul", ["soft", "w"], ["a"])]
    nodes.append(node("MatMul", ["a", "w"], ["b"]))
    with pytest.raises(SplitError, match=r"node 'soft' \(Softmax\).*depends on the other samples of the batch"):
        split(model(nodes, TWO, [W]), ["a", "b"])


def test_a_reshape_that_folds_samples_together():
    nodes = [node("Reshape", ["x", "pairs"], ["folded"]), node("Reshape", ["folded", "back"], ["a"])]
    nodes.append(node("MatMul", ["a", "w"], ["b"]))
    weights = [W, ("pairs", np.array([-1, 8])), ("back", np.array([-1, 4]))]
    with pytest.raises(SplitError, match=r"graph at batch 3: .*does not run at every batch size"):
        split(model(nodes, TWO, weights), ["a", "b"])


def test_a_batch_folded_into_channels_cannot_leave_a_segment():
    nodes = [
        node("Reshape", ["x", "rows"], ["folded"]),
        node("MatMul", ["folded", "small"], ["hidden"]),
        node("Reshape", ["hidden", "back"], ["a"]),
        node("MatMul", ["hidden", "small"], ["more"]),
        node("Reshape", ["more", "back"], ["b"]),
    ]
    weights = [("rows", np.array([-1, 2])), ("back", np.array([-1, 4])), ("small", np.eye(2, dtype=np.float32) * 2)]
    with pytest.raises(SplitError, match=r"boundary behind exit 'a': value 'hidden' must cross it"):
        split(model(nodes, TWO, weights), ["a", "b"])


def test_an_exit_without_one_row_a_sample():
    nodes = [node("Reshape", ["x", "rows"], ["a"]), node("MatMul", ["x", "w"], ["b"])]
    with pytest.raises(SplitError, match=r"exit 'a': tensor 'a'.*mixed with another axis"):
        split(model(nodes, TWO, [W, ("rows", np.array([-1, 2]))]), ["a", "b"])


def test_control_flow():
    branch = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "then", [], [helper.make_tensor_value_info("y", F, None)]
    )
    nodes = [
        node("If", ["always"], ["h"], then_branch=branch, else_branch=branch),
        node("MatMul", ["h", "w"], ["a"]),
        node("MatMul", ["a", "w"], ["b"]),
    ]
    with pytest.raises(SplitError, match=r"node 'h' \(If\): it holds a subgraph"):
        split(model(nodes, TWO, [W, ("always", np.array(True))]), ["a", "b"])
