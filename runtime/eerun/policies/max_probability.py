"""Leave when the largest softmax probability is high enough; also the softmax that other policies score."""

from typing import Any

import numpy as np

from eengines.errors import UserError
from eerun.policies.base import F32, ExitPolicy, GraphOps, State

__all__ = ["MaxProbabilityPolicy", "require_logits", "softmax"]


def require_logits(logits: F32, *, policy: str) -> None:
    """Refuse logits that no policy can score.

    Args:
        logits: must be `[batch, classes] float32` with at least two classes.
        policy: name of the policy, for the message.

    Raises:
        UserError: another dtype or rank, or fewer than two classes.
    """
    if logits.dtype != np.float32 or logits.ndim != 2:
        raise UserError(
            f"policy {policy}",
            f"got logits {logits.dtype} {list(logits.shape)}, expected float32 [batch, classes]",
            "Convert the logits, or pick the class axis, before scoring them",
        )
    if logits.shape[1] < 2:
        raise UserError(
            f"policy {policy}",
            f"got logits with {logits.shape[1]} classes, expected at least 2",
            "With fewer than two classes there is nothing to decide; give a two-class head one logit for each class",
        )


def softmax(logits: F32) -> F32:
    """Return the softmax over classes; the row maximum is subtracted first, so nothing overflows.

    Args:
        logits: `[batch, classes] float32`, finite, or -inf for a masked class.

    Returns:
        Probabilities `[batch, classes] float32`.
    """
    exponentials: F32 = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: F32 = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


class MaxProbabilityPolicy(ExitPolicy):
    """Score = max_c p_c, where p is the softmax of the exit's logits. Range: 1 / classes (uniform) to 1 (certain).

    Source: Huang et al., "Multi-Scale Dense Networks for Resource Efficient Image Classification", ICLR 2018.
    """

    name = "max-probability"

    def score(self, logits: F32, state: State | None) -> tuple[F32, State]:  # noqa: ARG002 (the policy has no state)
        """Return the largest probability `[batch] float32` and no state.

        Args:
            logits: `[batch, classes] float32`, at least two classes.
            state: not used.

        Raises:
            UserError: the logits have another dtype or shape.
        """
        require_logits(logits, policy=self.name)
        score: F32 = softmax(logits).max(axis=1)
        return score, ()

    def lower(
        self,
        ops: GraphOps,
        logits: Any,
        state: tuple[Any, ...] | None,  # noqa: ARG002 (the policy has no state)
    ) -> tuple[Any, tuple[Any, ...]]:
        """Append Softmax and ReduceMax; return the score `[batch] float32` and no state."""
        probabilities = ops.op("Softmax", logits, axis=1)
        class_axis = ops.constant(np.array([1], np.int64))
        return ops.op("ReduceMax", probabilities, class_axis, keepdims=0), ()
