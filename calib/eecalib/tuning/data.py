"""What tuners look at: a recording of the *tune* split, and what it costs to run some rows of each segment."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from eecalib.expected_cost import ExpectedCost, tabulate_expected_cost
from eecalib.thresholds.problem import required_correct
from eecalib.trace import Trace
from eengines.errors import UserError
from eerun.costs import CostTable

__all__ = ["TuningData"]

MACS = "macs"
"""The engine that a table of multiply-accumulates names."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TuningData:
    """A recording, with costs.

    Attributes:
        trace: what the exits say; its labels are the right answers: those of the data or, where the drop is in
            agreement, the answers of the final exit in float32.
        reference_right: `[samples] int64`, how many answers of each sample the final exit in float32 has right: what a
            drop is relative to.
        costs: measured times of the chain, or its multiply-accumulates; see `unit`.
        batch: rows in one batch at run time: samples, or groups of a folded network.
        seed: of everything that is drawn.
    """

    trace: Trace
    reference_right: NDArray[np.int64]
    costs: CostTable
    batch: int
    seed: int

    def __post_init__(self) -> None:
        if self.trace.labels is None:
            raise UserError("tuning data", "got a trace without labels", "Give the right answers, or those of float32")
        if self.reference_right.shape != (self.trace.samples,):
            raise UserError(
                "tuning data",
                f"got {list(self.reference_right.shape)} counts of float32 for {self.trace.samples} samples",
                "Give one a sample",
            )
        if self.costs.segments != self.trace.exits:
            raise UserError(
                "tuning data",
                f"got costs of {self.costs.segments} segments for {self.trace.exits} exits",
                "Take both of one bundle",
            )

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return self.trace.samples

    @property
    def fold(self) -> int:
        """Images a group; 1: the network is not folded."""
        return self.trace.fold

    @property
    def groups(self) -> int:
        """How many rows of the network the samples fill: groups, or samples where it is not folded."""
        return self.trace.groups

    @property
    def unit(self) -> str:
        """What costs are counted in."""
        return "million multiply-accumulates" if self.costs.engine == MACS else "ms"

    @cached_property
    def reference_correct(self) -> int:
        """How many answers the final exit in float32 has right, of samples or of pixels."""
        return int(self.reference_right.sum())

    @cached_property
    def cost(self) -> ExpectedCost:
        """Expected cost of each segment by the number of rows that reach it."""
        return tabulate_expected_cost(self.costs, batch=self.batch, samples=self.groups)

    def required(self, max_drop: float) -> int:
        """How many answers must be right for a relative drop of at most `max_drop`."""
        return required_correct(self.reference_correct, max_drop)

    def rows(self, samples: NDArray[np.int64]) -> "TuningData":
        """Return the same for some samples, given by their indices: of groups all images, in their order."""
        return replace(self, trace=self.trace.rows(samples), reference_right=self.reference_right[samples])
