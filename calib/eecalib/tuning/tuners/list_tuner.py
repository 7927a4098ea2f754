"""Tuners that list operating points of their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.outcome import evaluate
from eecalib.tuning.tuners.tuner import Drops
from eecalib.tuning.tuners.within_budget import smallest_drop_within

__all__ = ["ListTuner"]


@dataclass(frozen=True, kw_only=True)
class ListTuner:
    """A tuner that lists operating points of its own; for a drop the cheapest that keeps it is taken."""

    name: str
    list_candidates: Callable[[TuningData, Drops], Sequence[Candidate]]
    budgeted: Callable[[TuningData, float], Sequence[Candidate]] | None
    folds: int = 2
    deals: int = 1
    skips: bool = False
    by_shares: bool = True

    def frontier(self, data: TuningData, drops: Drops) -> tuple[Candidate, ...]:
        """See `Tuner.frontier`; where none keeps a drop, nobody leaves early."""
        listed = [each for each in self.list_candidates(data, drops) if each.tuner == self.name]
        never = Candidate(tuner=self.name, policy=listed[0].policy, thresholds=(None,) * len(listed[0].thresholds))
        outcomes = [(candidate, evaluate(candidate, data)) for candidate in (never, *listed)]
        found = []
        for drop in drops:
            required = data.required(drop)
            keeping = [pair for pair in outcomes if pair[1].correct >= required]
            found.append(min(keeping, key=lambda pair: pair[1].expected_ms)[0] if keeping else never)
        return tuple(found)

    def within(self, data: TuningData, budget: float) -> Candidate:
        """See `Tuner.within`."""
        if self.budgeted is None:
            return smallest_drop_within(self, data, budget)
        return next(each for each in self.budgeted(data, budget) if each.tuner == self.name)
