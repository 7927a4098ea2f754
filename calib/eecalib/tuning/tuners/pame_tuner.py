"""PAME as published."""

from dataclasses import dataclass, replace

import numpy as np

from eecalib.thresholds.pame import pame_thresholds
from eecalib.trace import Played, play
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.search import problem_for
from eecalib.tuning.tuners.tuner import Drops
from eecalib.tuning.tuners.within_budget import smallest_drop_within
from eerun.policies import MaxProbabilityPolicy

__all__ = ["PameTuner"]

STEPS = 20
"""Of the published grid of confidence thresholds, from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class PameTuner:
    """PAME as published: confidence, a grid of thresholds, and the recursive residual budget; see `thresholds.pame`."""

    name: str = "pame"
    folds: int = 5
    deals: int = 2
    skips: bool = False
    by_shares: bool = True

    def frontier(self, data: TuningData, drops: Drops) -> tuple[Candidate, ...]:
        """See `Tuner.frontier`."""
        policy = MaxProbabilityPolicy()
        played = _on_grid(play(policy, data.trace))
        return tuple(
            Candidate(
                tuner=self.name,
                policy=policy,
                thresholds=pame_thresholds(problem_for(played, data, data.required(drop))).thresholds,
            )
            for drop in drops
        )

    def within(self, data: TuningData, budget: float) -> Candidate:
        """See `Tuner.within`; the paper has no budget, so the drop is found by halving."""
        return smallest_drop_within(self, data, budget)


def _on_grid(played: Played) -> Played:
    """Scores rounded down to the published grid, so that thresholds are its numbers."""
    grid = (np.arange(STEPS + 1) / STEPS).astype(np.float32)
    steps = np.searchsorted(grid, played.table.scores, side="right") - 1
    return replace(played, table=replace(played.table, scores=grid[steps]))
