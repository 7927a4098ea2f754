"""Logits that a convolution makes are not rounded, on no engine."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from eecalib.int8.ranges import TensorRange
from eecompile.precision.int8 import FAMILIES, calibration_values, quantise

CLASSES = 5


def model() -> ir.Model:
    """`x [batch, 2, 4, 4]` → convolution, ReLU → convolution of the whole image, flattened: `logits [batch, 5]`."""
    random = np.random.default_rng(0)
    weights = {"w": (4, 2, 3, 3), "v": (CLASSES, 4, 4, 4)}
    stored = [
        numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name)
        for name, shape in weights.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "v"], ["d"], name="last"),
        helper.make_node("Flatten", ["d"], ["logits"], name="flat", axis=1),
    ]
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2, 4, 4])]
    made = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])]
    graph = helper.make_graph(nodes, "convolved", given, made, stored)
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10))


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_rounded_between_the_last_convolution_and_the_logits(family):
    float32 = model()
    ranges = {name: TensorRange(low=-4.0, high=4.0) for name in calibration_values(float32, keep_float=())}
    graph = quantise(float32, family=family, ranges=ranges, keep_float=(), crossing=()).graph
    nodes = {node.name: node for node in graph}
    made = nodes["last"].outputs[0]
    assert [reader.op_type for reader in made.consumers()] == ["Flatten"]
    assert nodes["flat"].outputs[0] is graph.outputs[0]
    assert nodes["first"].inputs[0].producer().op_type == "DequantizeLinear"
