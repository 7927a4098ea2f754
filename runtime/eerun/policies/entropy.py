"""Leave when the class probabilities have little entropy left."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from eerun.policies.base import F32, ExitPolicy, GraphOps, State
from eerun.policies.lower_softmax import lower_softmax
from eerun.policies.max_probability import require_logits, softmax
from eerun.policies.pixel_mean import lower_pixel_mean, pixel_mean

__all__ = ["EntropyPolicy"]

SMALLEST_PROBABILITY = np.finfo(np.float32).tiny
"""Probabilities are raised to the smallest normal float32 inside the logarithm, so that p = 0 gives p log p = 0."""

ONNX_FLOAT = 1
"""Value of `TensorProto.FLOAT` in the ONNX standard."""


@dataclass(frozen=True, kw_only=True)
class EntropyPolicy(ExitPolicy):
    """Score = 1 + (sum_c p_c log p_c) / log C, with p the softmax over C classes. 1 = certain, 0 = uniform.

    Rounding may leave the range [0, 1] by a few units of the last place. The score needs at least two classes:
    log 1 = 0 cannot be divided by. With one answer a pixel the score is the mean of this over the pixels.

    Source: entropy as in BranchyNet (Teerapittayanon et al., ICPR 2016), normalised and signed as in EENet
    (Ilhan et al., "Adaptive Deep Neural Network Inference Optimization with EENet", WACV 2024).
    """

    name = "entropy"
    for_maps: ClassVar[bool] = True

    def score(self, logits: F32, state: State | None, *, exit_index: int) -> tuple[F32, State]:  # noqa: ARG002 (the same at all exits)
        """Return one minus the normalised entropy, `[batch] float32`, and no state.

        Args:
            logits: `[batch, classes] float32` or `[batch, classes, height, width]`, at least two classes.
            state: not used.
            exit_index: not used.

        Raises:
            UserError: the logits have another dtype or shape.
        """
        require_logits(logits, policy=self.name, for_maps=self.for_maps)
        probabilities = softmax(logits)
        terms = probabilities * np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))
        score: F32 = np.float32(1) + terms.sum(axis=1) / np.log(np.float32(logits.shape[1]))
        return pixel_mean(score), ()

    def lower(
        self,
        ops: GraphOps,
        logits: Any,
        state: tuple[Any, ...] | None,  # noqa: ARG002 (the policy has no state)
        *,
        exit_index: int,  # noqa: ARG002 (the same at all exits)
    ) -> tuple[Any, tuple[Any, ...]]:
        """Append the same formula, and for maps its mean; return the score `[batch] float32` and no state.

        The number of classes is read from the shape of the logits, which engines fold into a constant.
        """
        probabilities = lower_softmax(ops, logits)
        floor = ops.constant(np.array(SMALLEST_PROBABILITY, np.float32))
        logarithms = ops.op("Log", ops.op("Max", probabilities, floor))
        class_axis = ops.constant(np.array([1], np.int64))
        total = ops.op("ReduceSum", ops.op("Mul", probabilities, logarithms), class_axis, keepdims=0)
        classes = ops.op("Cast", ops.op("Shape", logits, start=1, end=2), to=ONNX_FLOAT)
        negative_entropy = ops.op("Div", total, ops.op("Log", classes))
        score = ops.op("Add", negative_entropy, ops.constant(np.array(1.0, np.float32)))
        return lower_pixel_mean(ops, logits, score), ()
