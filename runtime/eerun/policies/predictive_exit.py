"""Test a sample where it was forecast to leave, and forecast again if it does not: the exits between are skipped."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from eengines.errors import UserError
from eengines.tensors import TensorSpec
from eerun.policies.base import F32, NOT_TESTED, ExitPolicy, GraphOps, State
from eerun.policies.class_filter import filter_steps, lower_filter_steps
from eerun.policies.lower_softmax import lower_softmax
from eerun.policies.max_probability import require_logits, softmax

__all__ = ["Forecast", "PredictiveExitPolicy"]

Forecast = Literal["calibrated", "published"]

ONNX_INT64 = 7
"""Value of `TensorProto.INT64` in the ONNX standard."""


@dataclass(frozen=True, kw_only=True)
class PredictiveExitPolicy(ExitPolicy):
    """Score at a tested exit k: rho = signal / scale_k >= 0; a sample leaves where rho >= 1.

    A sample that stays is tested next at exit k + d, at most the final one; in between its score is `NOT_TESTED`. The
    final exit's score is its signal. All of it is done for each row of a batch on its own.

    `calibrated`: the signal is max_c p_c, p the softmax of the logits; d is looked up by rho in a table fitted to data.
    `published`: the signal is max_c |z_c| of the logits, scale_k is beta times T_k = |mean of the signed logits|; d is
    the least number of times i that the class filter [1, 1, 1] must be applied to z until max_c |z_c| exceeds
    scale_{k+i}, at most `reach`.

    State: `due [batch] int64`, the exit at which a sample is tested next.

    Source: "Predictive Exit: Prediction of Fine-Grained Early Exits for Computation- and Energy-Efficient Inference",
    AAAI 2023 (arXiv 2206.04685); the table is ours.

    Attributes:
        forecast: how d is found.
        start: the exit at which every sample is tested first, L0.
        scales: `[early exits]`, greater than 0.
        edges: `[early exits][bins - 1]`, rising values of rho at which the next bin of the table begins; at least one.
        next_exits: `[early exits][bins]`, for each bin the exit that is tested next; with `published` both are empty.
        reach: the greatest d with `published`.

    Raises:
        UserError: the parameters do not fit each other.
    """

    name = "predictive-exit"
    skips_by: ClassVar[str | None] = "due"
    forecast: Forecast
    start: int
    scales: tuple[float, ...]
    edges: tuple[tuple[float, ...], ...] = ()
    next_exits: tuple[tuple[int, ...], ...] = ()
    reach: int = 1

    def __post_init__(self) -> None:
        early = len(self.scales)
        rows = early if self.forecast == "calibrated" else 0
        fit = len(self.edges) == len(self.next_exits) == rows and all(
            len(after) == len(edges) + 1 > 1
            and list(edges) == sorted(edges)
            and all(exit_ < each <= early for each in after)
            for exit_, (edges, after) in enumerate(zip(self.edges, self.next_exits, strict=True))
        )
        if not (fit and 0 <= self.start <= early and self.reach >= 1 and all(scale > 0 for scale in self.scales)):
            raise UserError(
                f"policy {self.name}",
                f"its parameters do not fit {early} early exits and the forecast {self.forecast}",
                "Run `eecompile tune` again",
            )

    @property
    def state(self) -> tuple[TensorSpec, ...]:
        """The exit at which a sample is tested next."""
        return (TensorSpec(name="due", dtype="int64", shape=()),)

    @property
    def first_exit(self) -> int:
        """The exit at which every sample is tested first."""
        return self.start

    def score(self, logits: F32, state: State | None, *, exit_index: int) -> tuple[F32, State]:
        """Return rho or `NOT_TESTED`, `[batch] float32`, and the state `(due,)`.

        Args:
            logits: `[batch, classes] float32`.
            state: `(due [batch] int64,)` of the exit before, or None at the first exit.
            exit_index: 0 for the first exit.

        Raises:
            UserError: the logits have another dtype or shape, or there is no such exit.
        """
        require_logits(logits, policy=self.name, for_maps=self.for_maps)
        self._check(exit_index)
        due: NDArray[np.int64] = np.full(len(logits), self.start, np.int64) if state is None else state[0]
        calibrated = self.forecast == "calibrated"
        signal = softmax(logits).max(axis=1) if calibrated else np.abs(logits).max(axis=1)
        rho: F32 = signal / self._scale(exit_index)
        if exit_index == len(self.scales):
            later = due
        elif calibrated:
            edges = np.array(self.edges[exit_index], np.float32)
            later = np.array(self.next_exits[exit_index], np.int64)[(rho[:, None] >= edges).sum(axis=1)]
        else:
            later = exit_index + filter_steps(logits, self._scales_ahead(exit_index))
        waits = due > exit_index
        return np.where(waits, NOT_TESTED, rho), (np.where(waits, due, later),)

    def lower(
        self, ops: GraphOps, logits: Any, state: tuple[Any, ...] | None, *, exit_index: int
    ) -> tuple[Any, tuple[Any, ...]]:
        """Append the same rule; return the score `[batch] float32` and the state `(due,)`."""
        self._check(exit_index)
        due = self._first_due(ops, logits) if state is None else state[0]
        class_axis = ops.constant(np.array([1], np.int64))
        calibrated = self.forecast == "calibrated"
        values = lower_softmax(ops, logits) if calibrated else ops.op("Abs", logits)
        signal = ops.op("ReduceMax", values, class_axis, keepdims=0)
        rho = ops.op("Div", signal, ops.constant(np.array(self._scale(exit_index))))
        here = ops.constant(np.array(exit_index, np.int64))
        if exit_index == len(self.scales):
            later = due
        elif calibrated:
            later = self._lower_table(ops, rho, exit_index)
        else:
            later = ops.op("Add", here, lower_filter_steps(ops, logits, self._scales_ahead(exit_index)))
        waits = ops.op("Greater", due, here)
        score = ops.op("Where", waits, ops.constant(np.array(NOT_TESTED)), rho)
        return score, (ops.op("Where", waits, due, later),)

    def _lower_table(self, ops: GraphOps, rho: Any, exit_index: int) -> Any:
        """Append the look-up of the exit that is tested next, `[batch] int64`."""
        column = ops.constant(np.array([1], np.int64))
        edges = ops.constant(np.array([self.edges[exit_index]], np.float32))
        passed = ops.op("GreaterOrEqual", ops.op("Unsqueeze", rho, column), edges)
        bin_ = ops.op("ReduceSum", ops.op("Cast", passed, to=ONNX_INT64), column, keepdims=0)
        return ops.op("Gather", ops.constant(np.array(self.next_exits[exit_index], np.int64)), bin_, axis=0)

    def _first_due(self, ops: GraphOps, logits: Any) -> Any:
        """Append `start` for each row, `[batch] int64`."""
        label = ops.op("ArgMax", logits, axis=1, keepdims=0)
        return ops.op("Add", ops.op("Sub", label, label), ops.constant(np.array(self.start, np.int64)))

    def _scale(self, exit_index: int) -> np.float32:
        """Return what the signal is divided by: 1 at the final exit."""
        return np.float32(self.scales[exit_index] if exit_index < len(self.scales) else 1)

    def _scales_ahead(self, exit_index: int) -> F32:
        """Return the scales of the exits that a forecast may reach, but the last of them, which it need not pass."""
        steps = min(self.reach, len(self.scales) - exit_index)
        return np.array(self.scales[exit_index + 1 : exit_index + steps], np.float32)

    def _check(self, exit_index: int) -> None:
        """Refuse an exit without parameters."""
        if not 0 <= exit_index <= len(self.scales):
            raise UserError(
                f"policy {self.name}",
                f"got exit {exit_index}, its parameters are for {len(self.scales) + 1} exits",
                "Run `eecompile tune` for this network",
            )
