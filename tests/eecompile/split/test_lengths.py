"""A graph with a sequence axis is cut where values are `[batch, length, ...]`, and nowhere else."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from eecompile.session import run_model
from eecompile.split import split_model
from eengines.errors import SplitError
from eerun.policies import policy_by_name

F, LONGEST, WIDTH = TensorProto.FLOAT, 8, 4
W = np.random.default_rng(1).standard_normal((WIDTH, WIDTH)).astype(np.float32)


def model(nodes, **constants):
    weights = {"w": W, "one": np.array([1]), **constants}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", F, ["batch", "length", WIDTH])],
        [helper.make_tensor_value_info(name, F, ["batch", WIDTH]) for name in ("a", "b")],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), [output], name=output, **attributes)


def drawn(length, batch=3):
    return np.random.default_rng(length).standard_normal((batch, length, WIDTH)).astype(np.float32)


def split(network):
    policy = policy_by_name("max-probability")
    return split_model(network, ["a", "b"], {"x": drawn(LONGEST)}, policy, sequences={"x": 1})


def check_chain(nodes, found):
    """The segments answer like the whole graph at any length and batch."""
    for length, batch in ((LONGEST, 1), (3, 2), (1, 4)):
        values = {"x": drawn(length, batch)}
        expected = run_model(model(nodes), values)
        for segment in found.segments:
            names = [value.name for value in segment.model.graph.inputs]
            values |= run_model(segment.model, {name: values[name] for name in names})
        for name in ("a", "b"):
            np.testing.assert_allclose(values[name], expected[name], rtol=1e-5, atol=1e-6)


FIRST = (
    node("MatMul", "x w", "dense"),
    node("Relu", "dense", "h"),
    node("ReduceMax", "h one", "a", keepdims=0),
)
LAST = node("ReduceMax", "deep one", "b", keepdims=0)


def shapes(found):
    return {value.name: str(value.shape) for s in found.segments for value in s.model.graph.inputs}


def test_a_boundary_keeps_the_length():
    nodes = [*FIRST, node("MatMul", "h w", "deep"), LAST]
    found = split(model(nodes))
    assert shapes(found)["h"] == "[batch,length,4]"
    check_chain(nodes, found)


def test_a_shape_of_another_segments_value_is_told_from_the_inputs():
    nodes = [
        *FIRST,
        node("Shape", "dense", "sizes"),
        node("MatMul", "h w", "mixed"),
        node("Transpose", "mixed", "turned", perm=[0, 2, 1]),
        node("Reshape", "turned sizes", "deep"),
        LAST,
    ]
    found = split(model(nodes))
    assert set(shapes(found).values()) == {"[batch,length,4]"}
    check_chain(nodes, found)


def test_what_is_twice_as_long_stays_inside_a_segment():
    nodes = [
        node("Concat", "x x", "twice", axis=1),
        node("MatMul", "twice w", "wide"),
        node("ReduceMax", "wide one", "h", keepdims=1),
        node("ReduceMax", "h one", "a", keepdims=0),
        node("Tanh", "h", "deep"),
        LAST,
    ]
    found = split(model(nodes))
    assert shapes(found) == {"x": "[batch,length,4]", "h": "[batch,1,4]"}
    check_chain(nodes, found)
    nodes[2:] = [node("ReduceMax", "wide one", "a", keepdims=0), node("MatMul", "wide w", "deep"), LAST]
    with pytest.raises(SplitError, match=r"'wide' must cross it, but is not the batch .*or the sequence length"):
        split(model(nodes))


def test_a_graph_that_runs_at_one_length_only_is_refused():
    nodes = [*FIRST, node("Reshape", "h fixed", "deep"), LAST]
    with pytest.raises(SplitError, match=r"graph at length 4.*not at every shorter one"):
        split(model(nodes, fixed=np.array([-1, LONGEST, WIDTH])))
