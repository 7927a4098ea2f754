"""The published forecast of Predictive Exit: how often a filter over the classes must be applied until they are sure.

One application of the filter [1, 1, 1], with zeros beyond the first and the last class, stands for one more exit:
z_c <- z_{c-1} + z_c + z_{c+1}. It depends on the order of the classes, which means nothing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eerun.policies.base import F32, GraphOps

__all__ = ["filter_steps", "lower_filter_steps"]

ONNX_INT64 = 7
"""Value of `TensorProto.INT64` in the ONNX standard."""


def filter_steps(logits: F32, scales: F32) -> NDArray[np.int64]:
    """Return the least i from 1 for which max_c |z_c| exceeds scale i after i applications, `[batch] int64`.

    Args:
        logits: `[batch, classes] float32`, z before the first application.
        scales: `[steps] float32`; where none is exceeded the answer is `steps + 1`.
    """
    z, steps = logits, np.ones(len(logits), np.int64)
    open_: NDArray[np.bool_] = np.ones(len(logits), np.bool_)
    for scale in scales:
        padded = np.pad(z, ((0, 0), (1, 1)))
        z = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
        open_ = open_ & (np.abs(z).max(axis=1) <= scale)
        steps += open_
    return steps


def lower_filter_steps(ops: GraphOps, logits: Any, scales: F32) -> Any:
    """Append the same count as ONNX nodes; return the handle of `[batch] int64`."""
    numbers = {value: ops.constant(np.array([value], np.int64)) for value in (-2, -1, 0, 1, 2)}
    pads, end = ops.constant(np.array([0, 1, 0, 1], np.int64)), ops.constant(np.array([2**31 - 1], np.int64))
    label = ops.op("ArgMax", logits, axis=1, keepdims=0)
    steps = ops.op("Add", ops.op("Sub", label, label), ops.constant(np.array(1, np.int64)))
    z, open_ = logits, None
    for scale in scales:
        padded = ops.op("Pad", z, pads)
        left, middle, right = (
            ops.op("Slice", padded, numbers[first], last, numbers[1])
            for first, last in ((0, numbers[-2]), (1, numbers[-1]), (2, end))
        )
        z = ops.op("Add", ops.op("Add", left, middle), right)
        largest = ops.op("ReduceMax", ops.op("Abs", z), numbers[1], keepdims=0)
        below = ops.op("LessOrEqual", largest, ops.constant(np.array(scale)))
        open_ = below if open_ is None else ops.op("And", open_, below)
        steps = ops.op("Add", steps, ops.op("Cast", open_, to=ONNX_INT64))
    return steps
