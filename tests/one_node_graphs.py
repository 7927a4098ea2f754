"""ONNX graphs of one node."""

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

IMAGE = [3, 4, 6, 5]


def one_node(
    op, *weights, opset=21, inputs=1, outputs=1, shape=IMAGE, dtype=TensorProto.FLOAT, rank=True, **attributes
):
    """A graph of one node: `x`, then constants (None: left out)."""
    names = ["x"] * inputs + ["" if w is None else f"w{i}" for i, w in enumerate(weights)]
    results = [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op, names, results, name="node", **attributes)],
        "one",
        [helper.make_tensor_value_info("x", dtype, shape if rank else None)],
        [helper.make_empty_tensor_value_info(name) for name in results],
        [numpy_helper.from_array(np.asarray(w), f"w{i}") for i, w in enumerate(weights) if w is not None],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))
