"""Leave when a learned gate says that this exit answers like the final one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eengines.errors import UserError
from eerun.policies.base import F32, ExitPolicy, GraphOps, State
from eerun.policies.known_exit import is_final
from eerun.policies.log_probabilities import log_probabilities, lower_log_probabilities
from eerun.policies.max_probability import MaxProbabilityPolicy, require_logits

__all__ = ["GatiPolicy", "gate_inputs"]


def gate_inputs(logits: F32, *, ordered: bool, top: int) -> F32:
    """Return what a gate reads of logits `[batch, classes]`: log-probabilities `[batch, read] float32`.

    Args:
        logits: of one exit.
        ordered: sort them from large to small and read the first `top`; else all, in the order of the classes.
        top: see above; where there are fewer classes, all are read.
    """
    logarithms = log_probabilities(logits)
    if not ordered:
        return logarithms
    largest_first: F32 = -np.sort(-logarithms, axis=1)[:, :top]
    return largest_first


@dataclass(frozen=True, kw_only=True)
class GatiPolicy(ExitPolicy):
    """Score = sigmoid(w_k · log p + b_k), the probability that exit k answers like the final exit, in 0 to 1.

    p is the softmax over the classes, with log p at least `LOWEST_LOG_PROBABILITY`. The weights belong to the classes,
    or, if `ordered`, to the ranks: then the gate sees how sharp the answer is, not which class it is. The final exit
    has no gate; its score is the largest probability, which is reported and compared with nothing.

    Attributes:
        weights: `[early exits, log-probabilities read]`.
        bias: `[early exits]`.
        ordered: whether log-probabilities are sorted from large to small first.
        top: how many of the largest are read if `ordered`; all where there are fewer classes.

    Raises:
        UserError: the weights and the bias are of different numbers of exits.

    Source: the selector of Gati (arXiv 2101.07344): a linear layer of two outputs with a softmax on the
    log-probabilities, which is one affine function with a sigmoid. The sorted form is ours.
    """

    name = "gati"

    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    ordered: bool
    top: int = 10

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.bias):
            raise UserError(
                f"policy {self.name}",
                f"got weights of {len(self.weights)} exits and a bias of {len(self.bias)}, expected as many",
                "Run `eecompile tune` again",
            )

    def score(self, logits: F32, state: State | None, *, exit_index: int) -> tuple[F32, State]:  # noqa: ARG002 (no state)
        """Return the gate's probability `[batch] float32` and no state.

        Args:
            logits: `[batch, classes] float32`, at least two classes.
            state: not used.
            exit_index: 0 for the first exit.

        Raises:
            UserError: the logits have another dtype or shape, or another number of classes than the gate was fitted to,
                or there is no such exit.
        """
        require_logits(logits, policy=self.name, for_maps=self.for_maps)
        if is_final(exit_index, early=len(self.weights), policy=self.name):
            return MaxProbabilityPolicy().score(logits, None, exit_index=exit_index)
        read = gate_inputs(logits, ordered=self.ordered, top=self.top)
        weights = self._checked_weights(exit_index, read.shape[1])
        z = (read * weights).sum(axis=1) + np.float32(self.bias[exit_index])
        score: F32 = np.float32(0.5) + np.float32(0.5) * np.tanh(np.float32(0.5) * z)  # = sigmoid(z), never overflows
        return score, ()

    def lower(
        self, ops: GraphOps, logits: Any, state: tuple[Any, ...] | None, *, exit_index: int
    ) -> tuple[Any, tuple[Any, ...]]:
        """Append Softmax, Max, Log, TopK if sorted, and the gate; return the score `[batch] float32` and no state."""
        if is_final(exit_index, early=len(self.weights), policy=self.name):
            return MaxProbabilityPolicy().lower(ops, logits, state, exit_index=exit_index)
        read = lower_log_probabilities(ops, logits)
        weights = self.weights[exit_index]
        if self.ordered:
            count = ops.constant(np.array([len(weights)], np.int64))
            read = ops.op("TopK", read, count, axis=1, largest=1, sorted=1)
        terms = ops.op("Mul", read, ops.constant(_row(weights)))
        class_axis = ops.constant(np.array([1], np.int64))
        total = ops.op("ReduceSum", terms, class_axis, keepdims=0)
        bias = ops.constant(np.array(self.bias[exit_index], np.float32))
        return ops.op("Sigmoid", ops.op("Add", total, bias)), ()

    def _checked_weights(self, exit_index: int, read: int) -> F32:
        """Return the weights of an exit `[1, read] float32`, or refuse a gate that was fitted to other logits."""
        weights = self.weights[exit_index]
        if len(weights) != read:
            raise UserError(
                f"policy {self.name}",
                f"exit {exit_index} has weights for {len(weights)} log-probabilities, got {read}",
                "Use the policy with the network that it was fitted to, or run `eecompile tune` again",
            )
        return _row(weights)


def _row(weights: Sequence[float]) -> F32:
    """Return `[1, weights] float32`."""
    return np.array([weights], np.float32)
