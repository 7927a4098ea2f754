"""Policies whose score is fitted by itself: thresholds are searched for."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eecalib.trace import Played, Trace, play
from eecalib.tuning.budget import aim_below
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.outcome import evaluate
from eecalib.tuning.search import thresholds_for_budget, thresholds_for_drop
from eecalib.tuning.share_cost import ShareCost
from eecalib.tuning.tuners.tuner import Drops
from eerun.policies import ExitPolicy

__all__ = ["ScoreTuner", "without_fit"]


@dataclass(frozen=True, kw_only=True)
class ScoreTuner:
    """A policy whose score is fitted by itself; thresholds are searched for."""

    name: str
    fit: Callable[[Trace, int], ExitPolicy]
    folds: int = 5
    deals: int = 2
    skips: bool = False
    by_shares: bool = False

    def frontier(self, data: TuningData, drops: Drops) -> tuple[Candidate, ...]:
        """See `Tuner.frontier`."""
        policy, played = self._played(data)
        return tuple(
            Candidate(
                tuner=self.name,
                policy=policy,
                thresholds=thresholds_for_drop(played, data, drop),
            )
            for drop in drops
        )

    def within(self, data: TuningData, budget: float) -> Candidate:
        """See `Tuner.within`."""
        policy, played = self._played(data)
        found = Candidate(tuner=self.name, policy=policy, thresholds=thresholds_for_budget(played, data, budget))
        cost, shares = ShareCost(cost=data.cost), np.array(evaluate(found, data, played).row_shares)
        aim = float(cost.ms(aim_below(cost, shares, budget, added_ms=0.0, seed=data.seed)))
        return Candidate(tuner=self.name, policy=policy, thresholds=thresholds_for_budget(played, data, aim))

    def _played(self, data: TuningData) -> tuple[ExitPolicy, Played]:
        policy = self.fit(data.trace, data.seed)
        return policy, play(policy, data.trace)


def without_fit(policy: ExitPolicy) -> ScoreTuner:
    """Return the tuner of a policy that is ready."""
    return ScoreTuner(name=policy.name, fit=lambda _trace, _seed: policy)
