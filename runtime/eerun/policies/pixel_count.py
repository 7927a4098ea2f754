"""Leave when enough pixels of a map are certain."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from eengines.errors import UserError
from eerun.policies.base import F32, ExitPolicy, GraphOps, State
from eerun.policies.known_exit import is_final
from eerun.policies.lower_softmax import lower_softmax
from eerun.policies.max_probability import MaxProbabilityPolicy, require_logits, softmax
from eerun.policies.pixel_mean import lower_pixel_mean, pixel_mean

__all__ = ["PixelCountPolicy"]

ONNX_FLOAT = 1
"""Value of `TensorProto.FLOAT` in the ONNX standard."""


@dataclass(frozen=True, kw_only=True)
class PixelCountPolicy(ExitPolicy):
    """Score = the share of a map's pixels whose largest class probability is above `level_k`, in 0 to 1.

    A threshold is the share that must be certain. A few unsure pixels, as along edges, do not hold a map back, however
    unsure they are; in a mean over the pixels they would. Probabilities are compared, not logits: heads scale their
    logits differently, so that one level of logits means another certainty at each exit. The final exit has no level;
    its score is the mean of the largest probability, which is reported and compared with nothing.

    Attributes:
        level: `[early exits]`, the probability that a pixel must exceed, within 0 and 1.

    Raises:
        UserError: a level is not within 0 and 1.

    Source: PAME (ICS 2022, doi 10.1145/3524059.3532366), the rule for segmentation, there with logits and a number of
    pixels.
    """

    name = "pixel-count"
    for_maps: ClassVar[bool] = True
    for_rows: ClassVar[bool] = False

    level: tuple[float, ...]

    def __post_init__(self) -> None:
        if not all(0 <= level <= 1 for level in self.level):
            raise UserError(
                f"policy {self.name}", f"got levels {list(self.level)}, expected probabilities", "Give 0 to 1"
            )

    def score(self, logits: F32, state: State | None, *, exit_index: int) -> tuple[F32, State]:
        """Return the share of certain pixels `[batch] float32`, and no state.

        Args:
            logits: `[batch, classes, height, width] float32`, at least two classes.
            state: not used.
            exit_index: 0 for the first exit.

        Raises:
            UserError: the logits have another dtype or shape, or there is no such exit.
        """
        require_logits(logits, policy=self.name, for_maps=self.for_maps, for_rows=self.for_rows)
        if is_final(exit_index, early=len(self.level), policy=self.name):
            return MaxProbabilityPolicy().score(logits, state, exit_index=exit_index)
        certain = softmax(logits).max(axis=1) > np.float32(self.level[exit_index])
        return pixel_mean(certain.astype(np.float32)), ()

    def lower(
        self, ops: GraphOps, logits: Any, state: tuple[Any, ...] | None, *, exit_index: int
    ) -> tuple[Any, tuple[Any, ...]]:
        """Append the softmax, ReduceMax, Greater and ReduceMean; return the score `[batch] float32` and no state."""
        if is_final(exit_index, early=len(self.level), policy=self.name):
            return MaxProbabilityPolicy().lower(ops, logits, state, exit_index=exit_index)
        class_axis = ops.constant(np.array([1], np.int64))
        largest = ops.op("ReduceMax", lower_softmax(ops, logits), class_axis, keepdims=0)
        level = ops.constant(np.array(self.level[exit_index], np.float32))
        certain = ops.op("Cast", ops.op("Greater", largest, level), to=ONNX_FLOAT)
        return lower_pixel_mean(ops, logits, certain), ()
