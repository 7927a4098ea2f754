"""Logits of maps that a convolution makes are not rounded, resized or not; a map that goes on is."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from eecalib.int8.ranges import TensorRange
from eecompile.precision.int8 import calibration_values, quantise

CPU_FAMILIES = ("onnxruntime", "openvino")


def model(*, resized: bool) -> ir.Model:
    """`x [batch, 2, 4, 4]` → convolution, ReLU (`going_on`) → 1 × 1 convolution, resized or not: `logits`."""
    random, side = np.random.default_rng(0), 8 if resized else 4
    weights = {"w": (4, 2, 3, 3), "v": (3, 4, 1, 1), "u": (4, 4, 3, 3)}
    stored = [
        numpy_helper.from_array(random.standard_normal(s).astype(np.float32), name) for name, s in weights.items()
    ]
    stored.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"))
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "v"], ["small" if resized else "logits"], name="head"),
        helper.make_node("Conv", ["r", "u"], ["going_on"], name="trunk", pads=[1, 1, 1, 1]),
    ]
    if resized:
        nodes.append(helper.make_node("Resize", ["small", "", "scales"], ["logits"], name="resize", mode="linear"))
    shapes = {"x": (2, 4, 4), "logits": (3, side, side), "going_on": (4, 4, 4)}
    x, *made = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", *s]) for n, s in shapes.items())
    graph = helper.make_graph(nodes, "maps", [x], made, stored)
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10))


@pytest.mark.parametrize("crossing", [(), ("going_on",)])
@pytest.mark.parametrize("resized", [False, True])
@pytest.mark.parametrize("family", CPU_FAMILIES)
def test_the_head_stays_in_float_and_the_trunk_does_not(family, resized, crossing):
    float32 = model(resized=resized)
    ranges = {name: TensorRange(low=-4.0, high=4.0) for name in calibration_values(float32, keep_float=())}
    graph = quantise(float32, family=family, ranges=ranges, keep_float=(), crossing=crossing).graph
    nodes = {node.name: node for node in graph}
    logits = next(value for value in graph.outputs if value.name == "logits")
    maker = logits.producer()
    assert maker is not None
    assert maker.name == ("resize" if resized else "head")
    head = nodes["head"]
    assert [reader.op_type for reader in head.outputs[0].consumers()] == (["Resize"] if resized else [])
    assert head.inputs[1].const_value is not None, "float weights"
    assert nodes["trunk"].inputs[1].producer().op_type == "DequantizeLinear"
    assert nodes["first"].inputs[0].producer().op_type == "DequantizeLinear"
