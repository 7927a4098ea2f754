"""The softmax over classes as ONNX nodes."""

from typing import Any

import numpy as np

from eerun.policies.base import GraphOps
from eerun.policies.pixel_mean import MAP_RANK

__all__ = ["lower_softmax"]


def lower_softmax(ops: GraphOps, logits: Any) -> Any:
    """Append the softmax over axis 1 and return the probabilities, in the shape of the logits.

    Of maps it is spelled out: ONNX Runtime transposes a map for Softmax over another axis than the last, which takes
    ten times as long.

    Args:
        ops: where the nodes go.
        logits: handle of `[batch, classes] float32`, or of `[batch, classes, height, width]`.
    """
    if ops.rank(logits) != MAP_RANK:
        return ops.op("Softmax", logits, axis=1)
    class_axis = ops.constant(np.array([1], np.int64))
    largest = ops.op("ReduceMax", logits, class_axis, keepdims=1)
    exponentials = ops.op("Exp", ops.op("Sub", logits, largest))
    return ops.op("Div", exponentials, ops.op("ReduceSum", exponentials, class_axis, keepdims=1))
