"""Leave when answers of this confidence have been right often enough."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from eengines.errors import UserError
from eerun.policies.base import F32, ExitPolicy, GraphOps, State
from eerun.policies.known_exit import is_final
from eerun.policies.max_probability import MaxProbabilityPolicy, require_logits

__all__ = ["AccuracyBinsPolicy"]

ONNX_FLOAT, ONNX_INT64 = 1, 7
"""Values of `TensorProto.FLOAT` and `TensorProto.INT64` in the ONNX standard."""


@dataclass(frozen=True, kw_only=True)
class AccuracyBinsPolicy(ExitPolicy):
    """Score = the accuracy that was measured in the bin into which this exit's largest probability falls.

    So a threshold is an accuracy: with 0.92 at each exit a sample leaves where 92 of 100 answers of its confidence were
    right. The score has few values and need not grow with the confidence. The final exit has no bins; its score is the
    largest probability, which is reported and compared with nothing.

    Attributes:
        edges: `[early exits, bins - 1]`, ascending; a largest probability p is in bin `number of edges <= p`.
        accuracy: `[early exits, bins]`, the fraction of right answers of each bin.

    Raises:
        UserError: an exit has not one accuracy more than edges, or edges that do not ascend.

    Source: PCEE, Mofakhami et al., arXiv 2412.19325.
    """

    name = "accuracy-bins"

    edges: tuple[tuple[float, ...], ...]
    accuracy: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        bins = [len(edges) + 1 for edges in self.edges]
        got = [len(accuracy) for accuracy in self.accuracy]
        if bins != got:
            raise UserError(
                f"policy {self.name}",
                f"got edges for {bins} bins and {got} accuracies, expected one accuracy a bin",
                "Run `eecompile tune` again",
            )
        if any(list(edges) != sorted(edges) for edges in self.edges):
            raise UserError(f"policy {self.name}", "got edges that do not ascend", "Run `eecompile tune` again")

    def score(self, logits: F32, state: State | None, *, exit_index: int) -> tuple[F32, State]:
        """Return the accuracy of each sample's bin `[batch] float32`, NaN where a logit is NaN, and no state.

        Args:
            logits: `[batch, classes] float32`, at least two classes.
            state: not used.
            exit_index: 0 for the first exit.

        Raises:
            UserError: the logits have another dtype or shape, or there is no such exit.
        """
        require_logits(logits, policy=self.name, for_maps=self.for_maps)
        largest, _ = MaxProbabilityPolicy().score(logits, state, exit_index=exit_index)
        if is_final(exit_index, early=len(self.edges), policy=self.name):
            return largest, ()
        edges = np.array(self.edges[exit_index], np.float32)
        bins = (largest[:, None] >= edges).sum(axis=1)
        accuracy = np.array(self.accuracy[exit_index], np.float32)[bins]
        return np.where(largest >= 0, accuracy, largest), ()

    def lower(
        self, ops: GraphOps, logits: Any, state: tuple[Any, ...] | None, *, exit_index: int
    ) -> tuple[Any, tuple[Any, ...]]:
        """Append the largest probability, its comparison with every edge, and Gather of the bin's accuracy.

        Of one bin there is nothing to compare. A largest probability that is not at least 0 is NaN, and stays it.

        Returns:
            The score `[batch] float32` and no state.
        """
        largest, _ = MaxProbabilityPolicy().lower(ops, logits, state, exit_index=exit_index)
        if is_final(exit_index, early=len(self.edges), policy=self.name):
            return largest, ()
        accuracy = np.array(self.accuracy[exit_index], np.float32)
        known = ops.op("GreaterOrEqual", largest, ops.constant(np.array(0.0, np.float32)))
        if not self.edges[exit_index]:
            return ops.op("Where", known, ops.constant(accuracy), largest), ()
        class_axis = ops.constant(np.array([1], np.int64))
        edges = ops.constant(np.array([self.edges[exit_index]], np.float32))
        reached = ops.op("GreaterOrEqual", ops.op("Unsqueeze", largest, class_axis), edges)
        count = ops.op("ReduceSum", ops.op("Cast", reached, to=ONNX_FLOAT), class_axis, keepdims=0)
        found = ops.op("Gather", ops.constant(accuracy), ops.op("Cast", count, to=ONNX_INT64), axis=0)
        return ops.op("Where", known, found, largest), ()
