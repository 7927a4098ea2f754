"""A segment without its exit gives the same boundary, and has nothing of the head."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.segment_without_head import segment_without_head
from eengines.backends.onnxruntime import session_options


def segment() -> bytes:
    """Boundary = relu(x); logits = boundary · W; score = the largest."""
    weights = numpy_helper.from_array(np.ones((4, 3), np.float32), "head.weight")
    nodes = [
        helper.make_node("Relu", ["x"], ["boundary"]),
        helper.make_node("MatMul", ["boundary", "head.weight"], ["logits"]),
        helper.make_node("ReduceMax", ["logits"], ["score"], axes=[1], keepdims=0),
    ]
    values = {"logits": ["n", 3], "score": ["n"], "boundary": ["n", 4]}
    graph = helper.make_graph(
        nodes,
        "segment",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def test_the_boundary_stays_and_the_head_goes():
    bare = segment_without_head(segment(), logits="logits", score="score")
    model = onnx.load_from_string(bare)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Relu"]
    assert not model.graph.initializer
    x = np.array([[-1, 2, -3, 4]], np.float32)
    (boundary,) = onnxruntime.InferenceSession(bare, session_options(2), providers=["CPUExecutionProvider"]).run(
        None, {"x": x}
    )
    assert np.array_equal(boundary, np.maximum(x, 0))
