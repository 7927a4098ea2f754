"""Where samples are tested and leave when each says, at a tested exit, at which exit it is tested next."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.expected_cost import expected_batch_ms
from eecalib.trace import ExitTrace
from eecalib.tuning.data import TuningData
from eerun.policies import PredictiveExitPolicy

__all__ = ["Route", "Signals"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Route:
    """The way of each sample.

    Attributes:
        exit_index: `[samples] int64`, where it leaves.
        tested: `[samples, exits - 1] bool`, the early exits at which it is tested before it is gone.
    """

    exit_index: NDArray[np.int64]
    tested: NDArray[np.bool_]

    @property
    def reached(self) -> tuple[float, ...]:
        """The fraction that reaches each segment."""
        exits = np.arange(self.tested.shape[1] + 1)
        return tuple((self.exit_index[:, None] >= exits).mean(axis=0).tolist())

    @property
    def tested_shares(self) -> tuple[float, ...]:
        """The fraction that is tested at each early exit."""
        return tuple(self.tested.mean(axis=0).tolist())

    def expected_ms(self, data: TuningData) -> float:
        """Return the expected milliseconds of a batch."""
        return expected_batch_ms(data.costs, batch=data.batch, reached=self.reached, tested=self.tested_shares)

    def correct(self, right: NDArray[np.bool_]) -> int:
        """Return how many samples are right; `right` is `[samples, exits] bool`."""
        return int(right[np.arange(len(right)), self.exit_index].sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class Signals:
    """What every early exit says about every sample, were it tested there.

    Attributes:
        leaves: `[samples, exits - 1] bool`.
        next_exits: `[samples, exits - 1] int64`, where it is tested next if it stays.
    """

    leaves: NDArray[np.bool_]
    next_exits: NDArray[np.int64]

    @classmethod
    def of(cls, policy: PredictiveExitPolicy, trace: ExitTrace) -> "Signals":
        """Ask a policy about all samples at all early exits."""
        leaves = np.empty((trace.samples, trace.exits - 1), np.bool_)
        next_exits = np.empty(leaves.shape, np.int64)
        for exit_ in range(trace.exits - 1):
            here = np.full(trace.samples, exit_, np.int64)
            logits = np.ascontiguousarray(trace.logits[:, exit_])
            rho, (next_exits[:, exit_],) = policy.score(logits, (here,), exit_index=exit_)
            leaves[:, exit_] = rho >= 1
        return cls(leaves=leaves, next_exits=next_exits)

    def route(self, start: int) -> Route:
        """Return the way of each sample when all are tested first at exit `start`."""
        samples, early = self.leaves.shape
        due = np.full(samples, start, np.int64)
        exit_index = np.full(samples, early, np.int64)
        tested = np.zeros(self.leaves.shape, np.bool_)
        for exit_ in range(early):
            tested[:, exit_] = due == exit_
            gone = tested[:, exit_] & self.leaves[:, exit_]
            exit_index[gone] = exit_
            due = np.where(tested[:, exit_], self.next_exits[:, exit_], due)
            due[gone] = -1
        return Route(exit_index=exit_index, tested=tested)
