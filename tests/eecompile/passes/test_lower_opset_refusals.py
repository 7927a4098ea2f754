"""What an older ONNX opset cannot express is named, with what is newer and what to do."""

import numpy as np
import pytest
from one_node_graphs import one_node
from onnx import TensorProto

from eecompile.passes.lower_opset import lower_opset
from eengines.errors import BuildError

REFUSED = [
    (one_node("BitwiseNot", dtype=TensorProto.INT32), r"\(BitwiseNot\): the operator came with ONNX opset 18"),
    (one_node("CenterCropPad", np.array([2, 2]), axes=[2, 3]), "came with ONNX opset 18, the target reads up to 17"),
    (one_node("Col2Im", np.array([4, 4]), np.array([2, 2]), shape=[3, 8, 9]), r"\(Col2Im\)"),
    (one_node("Pad", np.array([1] * 8), mode="wrap"), "mode 'wrap' came with ONNX opset 19"),
    (one_node("AveragePool", kernel_shape=[2, 2], dilations=[2, 2]), r"attribute dilations=\[2, 2\] is newer"),
    (one_node("Resize", None, np.ones(4, np.float32), mode="linear", antialias=1), "attribute antialias=1 is newer"),
    (one_node("ReduceL1", noop_with_empty_axes=1), "a reduction over no axes came with"),
    (one_node("ReduceMax", dtype=TensorProto.BOOL), "'x' is bool, which ReduceMax-13 of ONNX opset 17 does not take"),
    (one_node("QuantizeLinear", np.float16(1), dtype=TensorProto.FLOAT16), "is float16, which QuantizeLinear-13"),
    (one_node("DequantizeLinear", np.float16(1), dtype=TensorProto.INT8), "is float16, which DequantizeLinear-13"),
    (one_node("Conv", np.ones((1, 4, 1, 1), "f4"), opset=22, dtype=TensorProto.BFLOAT16), "is bfloat16, which Conv-11"),
    (
        one_node("QuantizeLinear", np.ones((3, 4, 6, 1), "f4"), axis=3, block_size=5),
        "attribute block_size=5 is newer than ONNX opset 17",
    ),
    (
        one_node("ScatterND", np.array([[0]]), np.ones((1, 4, 6, 5), np.float32), reduction="max"),
        "reduction 'max' came with ONNX opset 18",
    ),
    (one_node("GroupNormalization", np.ones(2, "f4"), np.ones(2, "f4"), num_groups=2, rank=False), "rank of its input"),
    (one_node("Split", outputs=5, axis=2, num_outputs=5), "num_outputs=5 over an axis of 6 came with"),
    (one_node("Split", outputs=2, axis=0, num_outputs=2, shape=["batch", 2]), "axis 0, whose size is not known"),
]


@pytest.mark.parametrize(
    ("model", "message"), REFUSED, ids=[m.graph[0].op_type + str(i) for i, (m, _) in enumerate(REFUSED)]
)
def test_refusals_name_the_node(model, message):
    with pytest.raises(BuildError, match=message) as caught:
        lower_opset(model, opset=17)
    assert "node 'node'" in caught.value.where
    assert "newer target" in caught.value.remedy
