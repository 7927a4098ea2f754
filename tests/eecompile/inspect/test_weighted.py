"""The precision of nodes, read from small graphs."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from eecalib.int8.ranges import TensorRange
from eecompile.inspect.crossing import crossings
from eecompile.inspect.weighted import weighted_nodes
from eecompile.precision.int8.quantise import quantise

HALF = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}
HALF_NUMPY = {TensorProto.FLOAT: np.float32, TensorProto.FLOAT16: np.float16}


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


def rounded_by_the_engine(kind: int, *, zero: np.ndarray | None = None, **attributes):
    """A MatMul as TensorRT wants it: weights in float behind QuantizeLinear and DequantizeLinear."""
    constants = [constant("s", np.ones((), HALF_NUMPY[kind])), constant("w", np.ones((4, 3), HALF_NUMPY[kind]))]
    step = ["s"]
    if zero is not None:
        constants.append(constant("z", zero))
        step = ["s", "z"]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", *step], ["xq"], name="q", **attributes),
        helper.make_node("DequantizeLinear", ["xq", *step], ["xd"], name="d"),
        helper.make_node("QuantizeLinear", ["w", *step], ["wq"], name="qw", **attributes),
        helper.make_node("DequantizeLinear", ["wq", *step], ["wd"], name="dw"),
        helper.make_node("MatMul", ["xd", "wd"], ["y"], name="dense"),
    ]
    return graph(nodes, constants, dtype=kind)


@pytest.mark.parametrize("kind", HALF_NUMPY)
def test_weights_that_the_engine_rounds_are_int8(kind):
    assert weighted_nodes(rounded_by_the_engine(kind, zero=np.zeros((), np.int8))) == {"dense": "int8"}


def test_the_type_that_weights_are_rounded_to_needs_no_zero_point():
    assert weighted_nodes(rounded_by_the_engine(TensorProto.FLOAT)) == {"dense": "int8"}
    wide = rounded_by_the_engine(TensorProto.FLOAT, output_dtype=TensorProto.INT16)
    assert weighted_nodes(wide) == {"dense": "int16"}


def test_rounded_data_are_no_weights():
    made = rounded_by_the_engine(TensorProto.FLOAT, zero=np.zeros((), np.int8))
    dense = next(node for node in made if node.name == "dense")
    dense.replace_input_with(1, dense.inputs[0])
    assert weighted_nodes(made) == {}


def test_graphs_for_tensorrt_say_int8():
    model = onnx.helper.make_model(
        helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"], name="dense")],
            "float",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
            [constant("w", np.ones((4, 3), np.float32))],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
    )
    ranges = {"x": TensorRange(low=-1.0, high=1.0)}
    lowered = quantise(
        ir.from_proto(model), family="tensorrt", ranges=ranges, keep_float=frozenset(), crossing=frozenset()
    )
    assert weighted_nodes(lowered.graph) == {"dense": "int8"}


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
