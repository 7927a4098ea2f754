"""Leave when the best class is far enough ahead of the second best."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from eerun.policies.base import F32, ExitPolicy, GraphOps, State
from eerun.policies.lower_softmax import lower_softmax
from eerun.policies.max_probability import require_logits, softmax
from eerun.policies.pixel_mean import lower_pixel_mean, pixel_mean

__all__ = ["MarginPolicy"]


@dataclass(frozen=True, kw_only=True)
class MarginPolicy(ExitPolicy):
    """Score = p_(1) - p_(2), the two largest softmax probabilities. Range: 0 (a tie) to 1 (certain).

    With one answer a pixel the score is the mean of this over the pixels.

    Source: the score margin of Park et al., "Big/LITTLE Deep Neural Network for Ultra Low Power Inference",
    CODES+ISSS 2015.
    """

    name = "margin"
    for_maps: ClassVar[bool] = True

    def score(self, logits: F32, state: State | None, *, exit_index: int) -> tuple[F32, State]:  # noqa: ARG002 (the same at all exits)
        """Return the margin `[batch] float32` and no state.

        Args:
            logits: `[batch, classes] float32` or `[batch, classes, height, width]`, at least two classes.
            state: not used.
            exit_index: not used.

        Raises:
            UserError: the logits have another dtype or shape.
        """
        require_logits(logits, policy=self.name, for_maps=self.for_maps)
        top_two = np.partition(softmax(logits), -2, axis=1)[:, -2:]
        return pixel_mean(top_two[:, 1] - top_two[:, 0]), ()

    def lower(
        self,
        ops: GraphOps,
        logits: Any,
        state: tuple[Any, ...] | None,  # noqa: ARG002 (the policy has no state)
        *,
        exit_index: int,  # noqa: ARG002 (the same at all exits)
    ) -> tuple[Any, tuple[Any, ...]]:
        """Append Softmax, TopK and a signed sum of its two columns, and for maps ReduceMean.

        Returns:
            The score `[batch] float32` and no state.
        """
        probabilities = lower_softmax(ops, logits)
        two = ops.constant(np.array([2], np.int64))
        top_two = ops.op("TopK", probabilities, two, axis=1, largest=1, sorted=1)
        signs = ops.constant(np.array([1.0, -1.0], np.float32).reshape(1, 2, *(1,) * (ops.rank(logits) - 2)))
        signed = ops.op("Mul", top_two, signs)
        class_axis = ops.constant(np.array([1], np.int64))
        return lower_pixel_mean(ops, logits, ops.op("ReduceSum", signed, class_axis, keepdims=0)), ()
