"""How a tuner's operating points do on samples that it was not fitted to."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.outcome import evaluate
from eecalib.whole_groups import images_of

__all__ = ["CrossFit", "cross_fit"]

KEPT_FOLDS = 2
"""Folds that are kept in memory, so that tuners of one family can share what they fit to them; more would be too much.
"""

Frontier = Callable[[TuningData, Sequence[float]], Sequence[Candidate]]
"""Fits a policy, and returns one candidate for each allowed drop."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossFit:
    """What candidates gave on samples held out.

    Attributes:
        asked: relative drops that were searched for, ascending.
        held_out: relative drops on samples held out, one for each; made to rise with `asked` (isotonic mean).
    """

    asked: tuple[float, ...]
    held_out: tuple[float, ...]

    def ask_for(self, max_drop: float) -> float:
        """Return the drop to search for, so that the one on new samples is about `max_drop`; linear in between.

        Below the smallest that was tried the line goes on with slope one; above the largest nothing is known: it is
        returned.
        """
        asked, held_out = np.array(self.asked), np.array(self.held_out)
        if max_drop <= held_out[0]:
            return float(asked[0] - (held_out[0] - max_drop))
        above = int(np.searchsorted(held_out, max_drop, side="right"))
        if above == len(asked):
            return float(asked[-1])
        low, high = held_out[above - 1], held_out[above]
        return float(asked[above - 1] + (max_drop - low) / (high - low) * (asked[above] - asked[above - 1]))

    def expected(self, asked: float) -> float:
        """Return the drop to expect on new samples where `asked` is searched for: the same line, read the other way.

        Above the largest that was tried it is that one's.
        """
        below = min(0.0, asked - self.asked[0])
        return float(np.interp(asked, self.asked, self.held_out)) + below


def cross_fit(frontier: Frontier, data: TuningData, drops: Sequence[float], *, folds: int, deals: int) -> CrossFit:
    """Fit on all folds but one, look at the one left out, for several drops and deals.

    Everything that is fitted is fitted anew: parameters of the policy and thresholds. It is an estimate with noise, of
    what fitting costs on average, and no promise for one network: for that, certify.

    Args:
        frontier: the tuner.
        data: the recording.
        drops: relative drops to search for, ascending.
        folds: parts that the samples are dealt into; groups of a folded network are dealt whole.
        deals: how often they are dealt.
    """
    lost = np.zeros(len(drops), np.int64)
    for seen, held_out in _dealt(data, folds, deals):
        for index, candidate in enumerate(frontier(seen, drops)):
            lost[index] += held_out.reference_correct - evaluate(candidate, held_out).correct
    shares = lost / max(1, deals * data.reference_correct)
    return CrossFit(asked=tuple(drops), held_out=tuple(_rising(shares)))


def _dealt(data: TuningData, folds: int, deals: int) -> Iterable[tuple[TuningData, TuningData]]:
    """All folds but one, and that one, the same for all tuners; where there are few, they are kept for the next."""
    return _kept(data, folds) if deals == 1 and folds <= KEPT_FOLDS else _deal(data, folds, deals)


@lru_cache(maxsize=1)
def _kept(data: TuningData, folds: int) -> tuple[tuple[TuningData, TuningData], ...]:
    return tuple(_deal(data, folds, 1))


def _deal(data: TuningData, folds: int, deals: int) -> Iterator[tuple[TuningData, TuningData]]:
    random = np.random.default_rng(data.seed)
    for _ in range(deals):
        dealt = random.permutation(data.groups) % folds
        for fold in range(folds):
            seen, held_out = (images_of(np.flatnonzero(part), data.fold) for part in (dealt != fold, dealt == fold))
            yield data.rows(seen), data.rows(held_out)


def _rising(values: NDArray[np.float64]) -> list[float]:
    """Pool adjacent violators: the closest values, in least squares, that do not fall."""
    pools: list[tuple[float, int]] = []
    for value in values.tolist():
        mean, count = value, 1
        while pools and pools[-1][0] >= mean:
            last, size = pools.pop()
            mean, count = (mean * count + last * size) / (count + size), count + size
        pools.append((mean, count))
    return [mean for mean, count in pools for _ in range(count)]
