"""What a candidate gives on a recording: where samples leave, how many are right, and what a batch costs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.expected_cost import expected_batch_ms
from eecalib.replay import leave
from eecalib.trace import Played, play
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData

__all__ = ["Outcome", "evaluate"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What a candidate gives.

    Attributes:
        exit_index: `[samples] int32`, the exit that answers each sample: where it leaves, unless its group goes on.
        left: `[rows] int32`, where each row leaves: each sample, or of a folded network each group.
        right: `[samples] int64`, how many of its answers there are right: 0 or 1, or of maps pixels.
        reached: fraction of the rows that reach each segment; 1 for the first.
        tested: fraction of the rows whose head runs at each early exit.
        expected_ms: expected milliseconds of one batch.
    """

    exit_index: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int64]
    reached: tuple[float, ...]
    tested: tuple[float, ...]
    expected_ms: float

    @property
    def correct(self) -> int:
        """How many answers are right."""
        return int(self.right.sum())

    @property
    def shares(self) -> tuple[float, ...]:
        """The fraction of the samples that each exit answers."""
        return tuple(float((self.exit_index == exit_).mean()) for exit_ in range(len(self.reached)))

    @property
    def row_shares(self) -> tuple[float, ...]:
        """The fraction of the rows that leave at each exit."""
        return tuple(float((self.left == exit_).mean()) for exit_ in range(len(self.reached)))


def evaluate(candidate: Candidate, data: TuningData, played: Played | None = None) -> Outcome:
    """Return what a candidate gives on a recording.

    Args:
        candidate: policy and thresholds.
        data: the recording, and the costs.
        played: what `play` returned for this policy, if the caller has it.
    """
    played = play(candidate.policy, data.trace) if played is None else played
    table = played.table
    gone = leave(table.scores, candidate.thresholds, fold=table.fold, rule=table.rule)
    exits = np.arange(data.trace.exits)
    there = gone.left[:, None] >= exits
    reached = tuple(there.mean(axis=0).tolist())
    tested = tuple((there & played.tested_rows).mean(axis=0).tolist())[:-1]
    rows = np.arange(data.samples)
    return Outcome(
        exit_index=gone.answered,
        left=gone.left,
        right=table.correct[rows, gone.answered],
        reached=reached,
        tested=tested,
        expected_ms=expected_batch_ms(data.costs, batch=data.batch, reached=reached, tested=tested),
    )
