"""What an exit policy is: a score, carried state, and thresholds that stay outside the graph.

Every rule has the same shape: `score_k = f_k(logits_k, state)`, and a sample leaves at exit `k` when
`score_k >= threshold_k`. So the executor needs no knowledge of any policy.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array, TensorSpec

__all__ = ["F32", "ExitPolicy", "GraphOps", "State"]

F32 = NDArray[np.float32]
State = tuple[Array, ...]


class GraphOps(Protocol):
    """Appends ONNX nodes to an exit head; values are opaque handles."""

    def op(self, op_type: str, *inputs: Any, **attributes: Any) -> Any:
        """Append one node of the default ONNX domain and return its first output."""

    def constant(self, value: Array) -> Any:
        """Add an initialiser and return it."""

    def rank(self, value: Any) -> int:
        """Return the number of axes of a value."""


class ExitPolicy(ABC):
    """A decision rule, once in numpy (the reference) and once as ONNX nodes (what runs).

    Both are float32, are given logits `[batch, classes]`, and must agree: the conformance suite compares them. A policy
    that is `for_maps` also takes `[batch, classes, height, width]`, one answer a pixel, and still gives one score a
    sample.
    """

    name: ClassVar[str]
    for_maps: ClassVar[bool] = False
    state: ClassVar[tuple[TensorSpec, ...]] = ()
    """Tensors `[batch, ...]` carried from one exit to the next, compacted with the features."""

    @abstractmethod
    def score(self, logits: F32, state: State | None) -> tuple[F32, State]:
        """Return the score `[batch] float32` and the state for the next exit.

        Args:
            logits: `[batch, classes] float32`, or `[batch, classes, height, width]` if `for_maps`.
            state: what this method returned at the exit before, or None at the first exit.
        """

    @abstractmethod
    def lower(self, ops: GraphOps, logits: Any, state: tuple[Any, ...] | None) -> tuple[Any, tuple[Any, ...]]:
        """Append the same computation as ONNX nodes; return the handles of the score and of the new state.

        Args:
            ops: where the nodes go.
            logits: handle of a `[batch, classes] float32` value, or `[batch, classes, height, width]` if `for_maps`.
            state: handles of the carried state, or None at the first exit.
        """
