"""The precision of nodes, read from small graphs."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from eecompile.inspect.crossing import crossings
from eecompile.inspect.weighted import weighted_nodes

HALF = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}


def graph(nodes, constants, *, dtype=TensorProto.FLOAT, outputs=("y",)):
    made = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", dtype, ["batch", 4])],
        [helper.make_tensor_value_info(name, dtype, ["batch", 3]) for name in outputs],
        constants,
    )
    return ir.from_proto(helper.make_model(made, opset_imports=[helper.make_opsetid("", 22)])).graph


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


@pytest.mark.parametrize("precision", HALF)
def test_float_weights_say_their_type(precision):
    weight = helper.make_tensor("w", HALF[precision], [4, 3], np.ones(12, np.float32))
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="dense")
    assert weighted_nodes(graph([node], [weight], dtype=HALF[precision])) == {"dense": precision}


def quantised(*, data: bool):
    """A MatMul with INT8 weights, and data in INT8 or not."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"], name="q"),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"], name="d"),
        helper.make_node("DequantizeLinear", ["wq", "s", "wz"], ["w"], name="dw"),
        helper.make_node("MatMul", ["xd" if data else "x", "w"], ["y"], name="dense"),
    ]
    constants = [
        constant("s", np.float32(0.1)),
        constant("z", np.uint8(128)),
        constant("wz", np.int8(0)),
        constant("wq", np.ones((4, 3), np.int8)),
    ]
    return graph(nodes, constants)


def test_int8_needs_weights_and_data_in_int8():
    assert weighted_nodes(quantised(data=True)) == {"dense": "int8"}
    assert weighted_nodes(quantised(data=False)) == {"dense": "float32"}


def test_nodes_without_constant_weights_do_not_count():
    nodes = [
        helper.make_node("Sub", ["x", "m"], ["a"], name="mean"),
        helper.make_node("Transpose", ["a"], ["t"], name="t", perm=[1, 0]),
        helper.make_node("MatMul", ["a", "t"], ["y"], name="attention"),
    ]
    assert weighted_nodes(graph(nodes, [constant("m", np.ones((1, 4), np.float32))])) == {}


def segment(inputs, outputs):
    values = [helper.make_tensor_value_info(n, t, ["batch", *s]) for n, t, s in (*inputs, *outputs)]
    made = helper.make_graph([], "test", values[: len(inputs)], values[len(inputs) :])
    return ir.from_proto(onnx.helper.make_model(made)).graph


def test_crossing_counts_bytes_of_what_a_later_segment_reads():
    a, b = ("a", TensorProto.UINT8, [8, 8, 2]), ("b", TensorProto.BFLOAT16, [5])
    x, out = ("x", TensorProto.FLOAT, [3]), ("out", TensorProto.FLOAT, [10])
    graphs = [segment([x], [a, b, ("l0", *out[1:])]), segment([a], [("l1", *out[1:])]), segment([b, x], [out])]
    found = [{spec.name: spec.row_bytes for spec in specs} for specs in crossings(graphs)]
    assert found == [{"a": 128, "b": 10, "x": 12}, {"b": 10, "x": 12}]
    assert crossings(graphs)[0][0].shape == (8, 8, 2)
