"""What tuners look at: a recording of the *tune* split, and what it costs to run some rows of each segment."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eecalib.thresholds.problem import required_correct
from eecalib.trace import ExitTrace
from eengines.errors import UserError
from eerun.costs import CostTable

__all__ = ["TuningData"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TuningData:
    """A recording, with costs.

    Attributes:
        trace: what the exits say; its labels are the right answers: those of the data or, where the drop is in
            agreement, the answers of the final exit in float32.
        reference_correct: how many samples the final exit in float32 has right: what a drop is relative to.
        costs: measured times of the chain.
        batch: samples in one batch at run time.
        seed: of everything that is drawn.
    """

    trace: ExitTrace
    reference_correct: int
    costs: CostTable
    batch: int
    seed: int

    def __post_init__(self) -> None:
        if self.trace.labels is None:
            raise UserError("tuning data", "got a trace without labels", "Give the right answers, or those of float32")
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

    def required(self, max_drop: float) -> int:
        """How many samples must be right for a relative drop of at most `max_drop`."""
        return required_correct(self.reference_correct, max_drop)

    def rows(self, samples: NDArray[np.int64], *, reference_correct: int) -> "TuningData":
        """Return the same for some samples, given by their indices; the caller counts what float32 has right there."""
        return replace(self, trace=self.trace.rows(samples), reference_correct=reference_correct)
