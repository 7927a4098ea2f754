"""A segment without the exit at its end: the same graph, from which only the boundary is asked for."""

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

__all__ = ["segment_without_head"]


def segment_without_head(segment: bytes, *, logits: str, score: str) -> bytes:
    """Drop an exit's outputs, and everything that only they need.

    Args:
        segment: the serialized graph, in any precision.
        logits: name of the exit's logits.
        score: name of the policy's score.
    """
    model = ir.from_proto(onnx.load_from_string(segment))
    outputs = model.graph.outputs
    outputs[:] = [value for value in outputs if value.name not in (logits, score)]
    assert outputs, "nothing goes on behind this exit"
    RemoveUnusedNodesPass()(model)
    return bytes(ir.to_proto(model).SerializeToString(deterministic=True))
