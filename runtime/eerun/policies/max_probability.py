"""Leave when the largest softmax probability is high enough; also the softmax that other policies score."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from eengines.errors import UserError
from eerun.policies.base import F32, ExitPolicy, GraphOps, State
from eerun.policies.lower_softmax import lower_softmax
from eerun.policies.pixel_mean import MAP_RANK, lower_pixel_mean, pixel_mean

__all__ = ["MaxProbabilityPolicy", "require_logits", "softmax"]


def require_logits(logits: F32, *, policy: str, for_maps: bool, for_rows: bool = True) -> None:
    """Refuse logits that a policy cannot score.

    Args:
        logits: must be `[batch, classes] float32` with at least two classes, or `[batch, classes, height, width]`.
        policy: name of the policy, for the message.
        for_maps: whether the policy takes the latter.
        for_rows: whether it takes the former.

    Raises:
        UserError: another dtype or rank, or fewer than two classes.
    """
    shapes = {2: "[batch, classes]"} if for_rows else {}
    if for_maps:
        shapes[MAP_RANK] = "[batch, classes, height, width]"
    if logits.dtype != np.float32 or logits.ndim not in shapes:
        raise UserError(
            f"policy {policy}",
            f"got logits {logits.dtype} {list(logits.shape)}, expected float32 {' or '.join(shapes.values())}",
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
        logits: `[batch, classes, ...] float32`, finite, or -inf for a masked class.

    Returns:
        Probabilities `[batch, classes, ...] float32`.
    """
    exponentials: F32 = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: F32 = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


@dataclass(frozen=True, kw_only=True)
class MaxProbabilityPolicy(ExitPolicy):
    """Score = max_c p_c, where p is the softmax of the exit's logits. Range: 1 / classes (uniform) to 1 (certain).

    With one answer a pixel the score is the mean of max_c p_c over the pixels.

    Source: Huang et al., "Multi-Scale Dense Networks for Resource Efficient Image Classification", ICLR 2018.
    """

    name = "max-probability"
    for_maps: ClassVar[bool] = True

    def score(self, logits: F32, state: State | None, *, exit_index: int) -> tuple[F32, State]:  # noqa: ARG002 (the same at all exits)
        """Return the largest probability `[batch] float32` and no state.

        Args:
            logits: `[batch, classes] float32` or `[batch, classes, height, width]`, at least two classes.
            state: not used.
            exit_index: not used.

        Raises:
            UserError: the logits have another dtype or shape.
        """
        require_logits(logits, policy=self.name, for_maps=self.for_maps)
        return pixel_mean(softmax(logits).max(axis=1)), ()

    def lower(
        self,
        ops: GraphOps,
        logits: Any,
        state: tuple[Any, ...] | None,  # noqa: ARG002 (the policy has no state)
        *,
        exit_index: int,  # noqa: ARG002 (the same at all exits)
    ) -> tuple[Any, tuple[Any, ...]]:
        """Append Softmax and ReduceMax, and for maps ReduceMean; return the score `[batch] float32` and no state."""
        probabilities = lower_softmax(ops, logits)
        class_axis = ops.constant(np.array([1], np.int64))
        score = ops.op("ReduceMax", probabilities, class_axis, keepdims=0)
        return lower_pixel_mean(ops, logits, score), ()
