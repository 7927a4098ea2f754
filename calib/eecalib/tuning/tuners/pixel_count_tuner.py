"""The pixel count, at the level that serves best."""

from dataclasses import dataclass

from eecalib.trace import MapTrace
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.outcome import evaluate
from eecalib.tuning.tuners.score_tuner import without_fit
from eecalib.tuning.tuners.tuner import Drops
from eerun.policies import ExitPolicy

__all__ = ["PixelCountTuner"]


@dataclass(frozen=True, kw_only=True)
class PixelCountTuner:
    """PAME's rule for maps, at the level of confidence that serves best: thresholds are searched for each."""

    name: str = "pixel-count"
    folds: int = 5
    deals: int = 1
    skips: bool = False
    by_shares: bool = False

    def frontier(self, data: TuningData, drops: Drops) -> tuple[Candidate, ...]:
        """See `Tuner.frontier`."""
        levels = self._levels(data)
        found = [without_fit(policy).frontier(data, drops) for policy in levels]
        return tuple(min(each, key=lambda one: evaluate(one, data).expected_ms) for each in zip(*found, strict=True))

    def within(self, data: TuningData, budget: float) -> Candidate:
        """See `Tuner.within`."""
        levels = self._levels(data)
        found = [without_fit(policy).within(data, budget) for policy in levels]
        return max(found, key=lambda each: evaluate(each, data).correct)

    def _levels(self, data: TuningData) -> list[ExitPolicy]:
        recorded = data.trace.policies if isinstance(data.trace, MapTrace) else ()
        return [policy for policy in recorded if policy.name == self.name]
