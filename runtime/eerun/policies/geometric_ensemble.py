"""Leave when all exits so far, taken together, are certain; and answer with all of them."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from eengines.errors import UserError
from eengines.tensors import TensorSpec
from eerun.policies.base import F32, ExitPolicy, GraphOps, State
from eerun.policies.known_exit import is_final
from eerun.policies.log_probabilities import log_probabilities, lower_log_probabilities
from eerun.policies.max_probability import MaxProbabilityPolicy, require_logits, softmax

__all__ = ["GeometricEnsemblePolicy"]


@dataclass(frozen=True, kw_only=True)
class GeometricEnsemblePolicy(ExitPolicy):
    """Score = max_c q_c, with q = softmax(L_k) the weighted geometric mean of the softmaxes of exits 0 to k.

    L_0 = w_0 log p_0 and L_k = c_k L_{k-1} + w_k log p_k, with log p at least `LOWEST_LOG_PROBABILITY`. So exit j has
    the weight `w_j · c_{j+1} · … · c_k` in the ensemble of exit k. Early exits answer with the class that has the
    largest L_k. The final exit answers with its own logits, and its score is their largest probability.

    State: `log_product [batch, classes] float32`, L_k; it is also the answer of an early exit, in place of its logits.

    Attributes:
        classes: number of classes.
        weights: `[early exits]`, w_k >= 0: of the exit itself.
        carried: `[early exits]`, c_k >= 0: of the ensemble before; the first is not used.

    Raises:
        UserError: the two are not of the same number of exits, or one is negative.

    Source: the geometric ensemble of Zero-Time Waste, Wołczyk et al., NeurIPS 2021. There every exit has weights of its
    own for all exits before it, and a factor for each class; here one carried tensor is enough.
    """

    name = "geometric-ensemble"
    answers_with: ClassVar[str | None] = "log_product"

    classes: int
    weights: tuple[float, ...]
    carried: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.carried) or min((*self.weights, *self.carried), default=0) < 0:
            raise UserError(
                f"policy {self.name}",
                f"got weights {list(self.weights)} and {list(self.carried)}, expected two lists of the same length, "
                "without negative numbers",
                "Run `eecompile tune` again",
            )

    @property
    def state(self) -> tuple[TensorSpec, ...]:
        """The logarithm of the weighted product so far, not normalised."""
        return (TensorSpec(name="log_product", dtype="float32", shape=(self.classes,)),)

    def score(self, logits: F32, state: State | None, *, exit_index: int) -> tuple[F32, State]:
        """Return the ensemble's largest probability `[batch] float32`, and the state `(log_product,)`; none at the end.

        Args:
            logits: `[batch, classes] float32`.
            state: `(log_product [batch, classes] float32,)` of the exit before, or None at the first exit.
            exit_index: 0 for the first exit.

        Raises:
            UserError: the logits have another dtype or shape, the state is not that of these rows, or there is no such
                exit.
        """
        require_logits(logits, policy=self.name, for_maps=self.for_maps)
        if is_final(exit_index, early=len(self.weights), policy=self.name):
            return MaxProbabilityPolicy().score(logits, None, exit_index=exit_index)
        log_product = np.float32(self.weights[exit_index]) * log_probabilities(logits)
        if state is not None:
            before = self._checked_state(state, rows=len(logits))
            log_product = np.float32(self.carried[exit_index]) * before + log_product
        return softmax(log_product).max(axis=1), (log_product,)

    def lower(
        self, ops: GraphOps, logits: Any, state: tuple[Any, ...] | None, *, exit_index: int
    ) -> tuple[Any, tuple[Any, ...]]:
        """Append the same; return the score `[batch] float32` and the state `(log_product,)`; none at the end."""
        if is_final(exit_index, early=len(self.weights), policy=self.name):
            return MaxProbabilityPolicy().lower(ops, logits, None, exit_index=exit_index)
        log_product = _scaled(ops, lower_log_probabilities(ops, logits), self.weights[exit_index])
        if state is not None:
            log_product = ops.op("Add", _scaled(ops, state[0], self.carried[exit_index]), log_product)
        score, _ = MaxProbabilityPolicy().lower(ops, log_product, None, exit_index=exit_index)
        return score, (log_product,)

    def _checked_state(self, state: State, *, rows: int) -> F32:
        """Return the carried product, or refuse one that does not have a number for each row and class."""
        got = [f"{array.dtype} {list(array.shape)}" for array in state]
        expected = [f"float32 {[rows, self.classes]}"]
        if got != expected:
            raise UserError(
                f"policy {self.name}",
                f"got state {got}, expected {expected} (log_product)",
                "Pass what the exit before returned, with the same rows taken as for the logits",
            )
        return state[0]


def _scaled(ops: GraphOps, value: Any, factor: float) -> Any:
    """Append the product of a value and a number."""
    return ops.op("Mul", value, ops.constant(np.array(factor, np.float32)))
