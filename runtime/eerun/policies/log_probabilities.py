"""Log-probabilities that stay finite, in numpy and as ONNX nodes."""

from typing import Any

import numpy as np

from eerun.policies.base import F32, GraphOps
from eerun.policies.lower_softmax import lower_softmax
from eerun.policies.max_probability import softmax

__all__ = ["LOWEST_LOG_PROBABILITY", "log_probabilities", "lower_log_probabilities"]

LOWEST_LOG_PROBABILITY = -16.0
"""Log-probabilities are raised to this: e^-16 = 1.1e-7 is the resolution of float32 next to 1.

What is below tells one class that is out of the question from another, and would be minus infinity for a masked class.
"""

SMALLEST_PROBABILITY = np.exp(np.float32(LOWEST_LOG_PROBABILITY))
"""The same as a probability, which is raised to it in front of the logarithm."""


def log_probabilities(logits: F32) -> F32:
    """Return `max(log softmax(logits), LOWEST_LOG_PROBABILITY)`, `[batch, classes] float32`.

    Args:
        logits: `[batch, classes] float32`, finite, or -inf for a masked class.
    """
    logarithms: F32 = np.log(np.maximum(softmax(logits), SMALLEST_PROBABILITY))
    return logarithms


def lower_log_probabilities(ops: GraphOps, logits: Any) -> Any:
    """Append the same as Softmax, Max and Log; return the handle `[batch, classes] float32`."""
    floor = ops.constant(np.array(SMALLEST_PROBABILITY, np.float32))
    return ops.op("Log", ops.op("Max", lower_softmax(ops, logits), floor))
