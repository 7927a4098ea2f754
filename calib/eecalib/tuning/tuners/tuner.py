"""What a tuner is."""

from collections.abc import Sequence
from typing import Protocol

from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData

__all__ = ["Drops", "Tuner"]

Drops = Sequence[float]


class Tuner(Protocol):
    """Finds candidates on a recording."""

    @property
    def skips(self) -> bool:
        """Whether its policies skip exits."""

    @property
    def by_shares(self) -> bool:
        """Whether its thresholds come from shares of samples, which says nothing of groups of a folded network."""

    @property
    def folds(self) -> int:
        """Into how many parts samples are dealt to see what fitting costs; fewer where a fit takes long."""

    @property
    def deals(self) -> int:
        """How often they are dealt."""

    def frontier(self, data: TuningData, drops: Drops) -> tuple[Candidate, ...]:
        """Return one candidate for each allowed drop: the cheapest found that keeps it on these samples."""

    def within(self, data: TuningData, budget: float) -> Candidate:
        """Return the candidate with the most right answers found that keeps a budget, on new samples, too."""
