"""What an exit policy is: a score, carried state, and thresholds that stay outside the graph.

Every rule has the same shape: `score_k = f_k(logits_k, state)`, and a sample leaves at exit `k` when
`score_k >= threshold_k`. So the executor needs no knowledge of any policy.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array, TensorSpec

__all__ = ["F32", "NOT_TESTED", "ExitPolicy", "GraphOps", "State"]

F32 = NDArray[np.float32]
State = tuple[Array, ...]

NOT_TESTED = np.float32(-1)
"""Score of a sample at an exit that a policy which skips exits does not test it at; all its other scores are >= 0."""


class GraphOps(Protocol):
    """Appends ONNX nodes to an exit head; values are opaque handles."""

    def op(self, op_type: str, *inputs: Any, **attributes: Any) -> Any:
        """Append one node of the default ONNX domain and return its first output."""

    def constant(self, value: Array) -> Any:
        """Add an initialiser and return it."""

    def rank(self, value: Any) -> int:
        """Return the number of axes of a value."""


@dataclass(frozen=True, kw_only=True)
class ExitPolicy(ABC):
    """A decision rule, once in numpy (the reference) and once as ONNX nodes (what runs).

    Both are float32, are given logits `[batch, classes]`, and must agree: the conformance suite compares them. A policy
    that is `for_maps` also takes `[batch, classes, height, width]`, one answer a pixel, and still gives one score a
    sample. The fields of a policy are what was fitted to data: they stand in the bundle's policy file, as JSON.
    """

    name: ClassVar[str]
    for_maps: ClassVar[bool] = False
    for_rows: ClassVar[bool] = True
    """Whether it takes logits `[batch, classes]`; a policy that counts pixels does not."""
    answers_with: ClassVar[str | None] = None
    """Name of the state tensor `[batch, classes]` that every early exit answers with in place of its logits.

    None: every exit answers with its logits. The final exit always does, so that with exits off a chain is the whole
    network.
    """
    skips_by: ClassVar[str | None] = None
    """Name of the state tensor `[batch] int64` that holds the exit at which a sample is tested next.

    At earlier exits its score is `NOT_TESTED`, and a bundle whose heads are graphs of their own does not run them for
    it. None: every sample is tested at every exit.
    """

    @property
    def state(self) -> tuple[TensorSpec, ...]:
        """Tensors `[batch, ...]` carried from one exit to the next, compacted with the features."""
        return ()

    @property
    def first_exit(self) -> int:
        """The exit at which every sample is tested first; 0 unless the policy skips exits.

        After the exits before it, the state that `skips_by` names is this number, and all other state is 0.
        """
        return 0

    def answer(self, logits: Any, state: tuple[Any, ...]) -> Any:
        """Return what an early exit answers with, `[batch, classes]`: see `answers_with`.

        Args:
            logits: of this exit; an array or a handle.
            state: what `score` or `lower` returned with them.
        """
        if self.answers_with is None:
            return logits
        return state[[spec.name for spec in self.state].index(self.answers_with)]

    @abstractmethod
    def score(self, logits: F32, state: State | None, *, exit_index: int) -> tuple[F32, State]:
        """Return the score `[batch] float32` and the state for the next exit.

        Args:
            logits: `[batch, classes] float32`, or `[batch, classes, height, width]` if `for_maps`.
            state: what this method returned at the exit before, or None at the first exit.
            exit_index: 0 for the first exit.
        """

    @abstractmethod
    def lower(
        self, ops: GraphOps, logits: Any, state: tuple[Any, ...] | None, *, exit_index: int
    ) -> tuple[Any, tuple[Any, ...]]:
        """Append the same computation as ONNX nodes; return the handles of the score and of the new state.

        Args:
            ops: where the nodes go.
            logits: handle of a `[batch, classes] float32` value, or `[batch, classes, height, width]` if `for_maps`.
            state: handles of the carried state, or None at the first exit.
            exit_index: 0 for the first exit.
        """
