"""Leave when enough exits in a row have given the same answer."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from eengines.errors import UserError
from eengines.tensors import TensorSpec
from eerun.policies.base import F32, ExitPolicy, GraphOps, State
from eerun.policies.max_probability import require_logits

__all__ = ["PatiencePolicy"]

ONNX_FLOAT = 1
"""Value of `TensorProto.FLOAT` in the ONNX standard."""


@dataclass(frozen=True, kw_only=True)
class PatiencePolicy(ExitPolicy):
    """Score = number of consecutive earlier exits that predict the same class as this one.

    0 at the first exit; one more than before when the prediction is that of the exit before, else 0. The threshold is
    the patience: a sample leaves when the count reaches it. Of equal logits the first class is the prediction.

    With one answer a pixel there is no single prediction to compare, so maps are refused.

    State: `label [batch] int64`, the prediction of the exit before, and `count [batch] float32`, its score.

    Source: PABEE, Zhou et al., "BERT Loses Patience: Fast and Robust Inference with Early Exit", NeurIPS 2020.
    """

    name = "patience"

    @property
    def state(self) -> tuple[TensorSpec, ...]:
        """The prediction of the exit before, and its score."""
        return (
            TensorSpec(name="label", dtype="int64", shape=()),
            TensorSpec(name="count", dtype="float32", shape=()),
        )

    def score(self, logits: F32, state: State | None, *, exit_index: int) -> tuple[F32, State]:  # noqa: ARG002 (the same at all exits)
        """Return the count `[batch] float32` and the state `(label, count)`.

        Args:
            logits: `[batch, classes] float32`, at least two classes.
            state: `(label [batch] int64, count [batch] float32)` of the exit before, or None at the first exit.
            exit_index: not used.

        Raises:
            UserError: the logits have another dtype or shape, or the state is not that of these rows.
        """
        require_logits(logits, policy=self.name, for_maps=self.for_maps)
        label = logits.argmax(axis=1).astype(np.int64, copy=False)
        if state is None:
            count = np.zeros(label.shape, np.float32)
        else:
            previous_label, previous_count = self._checked_state(state, rows=len(label))
            count = np.where(label == previous_label, previous_count + np.float32(1), np.float32(0))
        return count, (label, count)

    def lower(
        self,
        ops: GraphOps,
        logits: Any,
        state: tuple[Any, ...] | None,
        *,
        exit_index: int,  # noqa: ARG002 (the same at all exits)
    ) -> tuple[Any, tuple[Any, ...]]:
        """Append the same count; return the score `[batch] float32` and the state `(label, count)`.

        The score and the new count are one value: the caller gives it a second name where it needs one.
        """
        label = ops.op("ArgMax", logits, axis=1, keepdims=0, select_last_index=0)
        if state is None:
            count = ops.op("Cast", ops.op("Sub", label, label), to=ONNX_FLOAT)
        else:
            previous_label, previous_count = state
            longer = ops.op("Add", previous_count, ops.constant(np.array(1.0, np.float32)))
            zero = ops.constant(np.array(0.0, np.float32))
            count = ops.op("Where", ops.op("Equal", label, previous_label), longer, zero)
        return count, (label, count)

    def _checked_state(self, state: State, *, rows: int) -> State:
        """Return the state, or refuse one that does not have one label and one count for each row."""
        got = [f"{array.dtype} {list(array.shape)}" for array in state]
        expected = [f"{spec.dtype} {[rows, *spec.shape]}" for spec in self.state]
        if got != expected:
            raise UserError(
                f"policy {self.name}",
                f"got state {got}, expected {expected} (label, count)",
                "Pass what the exit before returned, with the same rows taken as for the logits",
            )
        return state
