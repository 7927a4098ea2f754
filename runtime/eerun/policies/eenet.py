"""Leave when a learned linear score of the class probabilities and of the scores before is high enough."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from eengines.errors import UserError
from eengines.tensors import TensorSpec
from eerun.policies.base import F32, ExitPolicy, GraphOps, State
from eerun.policies.entropy import SMALLEST_PROBABILITY
from eerun.policies.lower_softmax import lower_softmax
from eerun.policies.max_probability import require_logits, softmax

__all__ = ["CONFIDENCES", "EENetPolicy"]

CONFIDENCES = 2
"""Features beside the probabilities and past scores: the largest probability, and one minus the normalised entropy."""


@dataclass(frozen=True, kw_only=True)
class EENetPolicy(ExitPolicy):
    """Score q_k = u_k . p + w_k . [max_c p_c, 1 + (sum_c p_c log p_c) / log C, c_0, ..., c_{k-1}].

    p is the softmax of the exit's logits over C classes, c_j = min(max(q_j, 0), 1) the score of an earlier exit. The
    score is linear and has no bias. It is not clamped itself, so that thresholds may be below 0 and above 1. The final
    exit has weights too: its score tells how sure the network is in the end.

    State: `past [batch, exits - 1] float32`, the clamped scores of the exits so far, 0 for those to come.

    Source: Ilhan et al., "Adaptive Deep Neural Network Inference Optimization with EENet", WACV 2024.

    Attributes:
        class_weights: `[exits][classes]`, u.
        feature_weights: `[exits][2 + k]`, w.

    Raises:
        UserError: the weights do not fit each other.
    """

    name = "eenet"
    class_weights: tuple[tuple[float, ...], ...]
    feature_weights: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        widths = [len(row) for row in self.feature_weights]
        expected = [CONFIDENCES + exit_ for exit_ in range(len(self.class_weights))]
        if not widths or widths != expected or len({len(row) for row in self.class_weights}) != 1:
            raise UserError(
                f"policy {self.name}",
                f"got class weights of {[len(row) for row in self.class_weights]} and feature weights of {widths} "
                f"numbers, expected as many as classes, and {expected or [CONFIDENCES]}",
                "Run `eecompile tune` again",
            )

    @property
    def state(self) -> tuple[TensorSpec, ...]:
        """The scores of earlier exits."""
        return (TensorSpec(name="past", dtype="float32", shape=(len(self.class_weights) - 1,)),)

    def score(self, logits: F32, state: State | None, *, exit_index: int) -> tuple[F32, State]:
        """Return the score `[batch] float32` and the state `(past,)`.

        Args:
            logits: `[batch, classes] float32`.
            state: `(past [batch, exits - 1] float32,)` of the exit before, or None at the first exit.
            exit_index: 0 for the first exit.

        Raises:
            UserError: the logits or the exit are not of the network that the weights were fitted to.
        """
        require_logits(logits, policy=self.name, for_maps=self.for_maps)
        self._check(logits.shape[1], exit_index)
        p = softmax(logits)
        entropy = (p * np.log(np.maximum(p, SMALLEST_PROBABILITY))).sum(axis=1) / np.log(np.float32(p.shape[1]))
        largest, certainty, past = self._weights(exit_index)
        score: F32 = (p * np.array(self.class_weights[exit_index], np.float32)).sum(axis=1)
        score = score + largest * p.max(axis=1) + certainty * (np.float32(1) + entropy)
        if state is not None:
            score = score + (state[0] * past).sum(axis=1)
        placed = np.clip(score, np.float32(0), np.float32(1))[:, None] * self._place(exit_index)
        return score, (placed if state is None else state[0] + placed,)

    def lower(
        self, ops: GraphOps, logits: Any, state: tuple[Any, ...] | None, *, exit_index: int
    ) -> tuple[Any, tuple[Any, ...]]:
        """Append the same formula; return the score `[batch] float32` and the state `(past,)`."""
        classes = len(self.class_weights[0])
        self._check(classes, exit_index)
        class_axis = ops.constant(np.array([1], np.int64))

        def total(values: Any, weights: F32) -> Any:
            return ops.op("ReduceSum", ops.op("Mul", values, ops.constant(weights)), class_axis, keepdims=0)

        p = lower_softmax(ops, logits)
        floor = ops.constant(np.array(SMALLEST_PROBABILITY, np.float32))
        terms = ops.op("Mul", p, ops.op("Log", ops.op("Max", p, floor)))
        entropy = total(terms, np.array(1 / np.log(np.float32(classes)), np.float32))
        largest, certainty, past = self._weights(exit_index)
        most = ops.op("Mul", ops.op("ReduceMax", p, class_axis, keepdims=0), ops.constant(largest))
        rest = ops.op("Add", entropy, ops.constant(np.array(1, np.float32)))
        score = total(p, np.array([self.class_weights[exit_index]], np.float32))
        score = ops.op("Add", ops.op("Add", score, most), ops.op("Mul", rest, ops.constant(certainty)))
        if state is not None:
            score = ops.op("Add", score, total(state[0], past[None]))
        low, high = (ops.constant(np.array(bound, np.float32)) for bound in (0, 1))
        column = ops.op("Unsqueeze", ops.op("Clip", score, low, high), class_axis)
        placed = ops.op("Mul", column, ops.constant(self._place(exit_index)[None]))
        return score, (placed if state is None else ops.op("Add", state[0], placed),)

    def _weights(self, exit_index: int) -> tuple[F32, F32, F32]:
        """Return the weights of the largest probability, of the certainty, and of past scores `[exits - 1]`."""
        largest, certainty, *past = (np.array(weight, np.float32) for weight in self.feature_weights[exit_index])
        padded = np.zeros(len(self.class_weights) - 1, np.float32)
        padded[: len(past)] = past
        return largest, certainty, padded

    def _place(self, exit_index: int) -> F32:
        """Return `[exits - 1] float32`: 1 where this exit's score is kept, else 0; the final exit's is not kept."""
        place: F32 = (np.arange(len(self.class_weights) - 1) == exit_index).astype(np.float32)
        return place

    def _check(self, classes: int, exit_index: int) -> None:
        """Refuse another number of classes, and an exit without weights."""
        expected = (len(self.class_weights[0]), len(self.class_weights))
        if classes != expected[0] or not 0 <= exit_index < expected[1]:
            raise UserError(
                f"policy {self.name}",
                f"got exit {exit_index} with {classes} classes, its weights are for {expected[1]} exits with "
                f"{expected[0]} classes",
                "Run `eecompile tune` for this network",
            )
