"""Compositions that are worth a search for thresholds: all of them with gates that are set for each head by itself.

Who leaves where is counted on the recording, tap by tap, with the samples that are still there: hits of different heads
need not be independent, and they are not.
"""

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from eecalib.composition.candidate_heads import CandidateHeads
from eecalib.composition.limits import Limits
from eecalib.composition.piece_costs import START, PieceCosts
from eecalib.exit_table import ExitTable
from eecalib.gates import LOSSES, gate_hits

__all__ = ["BEAM", "MOST_COMPOSITIONS", "FirstLook", "Found"]

MOST_COMPOSITIONS = 20_000
"""Up to which all are looked at, depth first with a lower bound; beyond that a beam is."""

BEAM = 400
"""Beginnings of compositions that are kept at each tap."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a look found.

    Attributes:
        best: `(expected milliseconds, composition)`, the cheapest first.
        exact: whether no other composition is cheaper with the same gates; else a beam was searched.
    """

    best: tuple[tuple[float, tuple[int, ...]], ...]
    exact: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class _Begun:
    """The beginning of a composition, up to its last exit.

    Attributes:
        kept: its heads.
        at: tap of the last one.
        alive: `[samples] bool`, who goes on.
        count: how many go on.
        correct: how many of those that left are right.
        ms: expected milliseconds of a batch so far.
        full_ms: the same if nobody leaves.
    """

    kept: tuple[int, ...]
    at: int
    alive: NDArray[np.bool_]
    count: int
    correct: int
    ms: float
    full_ms: float


class FirstLook:
    """Looks at compositions of the same heads under different limits.

    Args:
        heads: what there is to choose from.
        table: scores and answers of all heads under a policy.
    """

    def __init__(self, heads: CandidateHeads, table: ExitTable) -> None:
        self._heads, self._pieces, self._right = heads, PieceCosts(heads), table.correct
        self._good = np.maximum(table.correct, table.agreeing)
        self._hits = [gate_hits(table, loss) for loss in LOSSES]
        self._of_tap = [heads.of_tap(tap) for tap in range(heads.trunk.segments - 1)]
        self.exact = prod(1 + len(each) for each in self._of_tap) <= MOST_COMPOSITIONS

    def find(self, limits: Limits, *, required: int, most: int) -> Found:
        """Return the cheapest compositions that keep the limits and have enough right.

        Args:
            limits: all but the drop.
            required: how many answers must be right.
            most: how many to return at most.
        """
        best = _Best(most)
        start = _Begun(
            kept=(),
            at=START,
            alive=np.ones(self._heads.samples, np.bool_),
            count=self._heads.samples,
            correct=0,
            ms=0.0,
            full_ms=0.0,
        )
        for hits in self._hits:
            look = _Look(self._heads, self._pieces, self._right, self._good, hits, limits, required)
            if self.exact:
                _walk(look, start, best)
            else:
                _beam(look, start, best, self._of_tap)
        return Found(best=tuple(best.found), exact=self.exact)


class _Look:
    """One set of gates under limits."""

    def __init__(
        self,
        heads: CandidateHeads,
        pieces: PieceCosts,
        right: NDArray[np.int64],
        good: NDArray[np.int64],
        hits: NDArray[np.bool_],
        limits: Limits,
        required: int,
    ) -> None:
        self._heads, self._right, self._good, self._hits, self._limits = heads, right, good, hits, limits
        self.pieces, self._required = pieces, required
        tail = np.inf if limits.max_tail is None else (1 + limits.max_tail) * heads.whole_ms
        self._full_ms = tail * (1 + 1e-12)

    def ms(self, begun: _Begun) -> float:
        """Expected milliseconds if no exit follows."""
        return begun.ms + float(self.pieces.to_end[begun.at][begun.count])

    def least_ms(self, begun: _Begun) -> float:
        """What no composition that begins so can fall below."""
        return begun.ms + float(self.pieces.least[begun.at][begun.count])

    def right_enough(self, begun: _Begun) -> bool:
        """Whether enough is right if no exit follows."""
        return begun.correct + int(self._right[begun.alive, -1].sum()) >= self._required

    def allows(self, begun: _Begun) -> bool:
        """Whether it may be a composition as it is: without heads it always may."""
        fits = begun.full_ms + float(self.pieces.to_end[begun.at][-1]) <= self._full_ms
        return not begun.kept or (fits and self.right_enough(begun))

    def follow(self, begun: _Begun, head: int) -> _Begun | None:
        """The composition with one more exit; None where nobody leaves there, or a limit is broken for good."""
        limits, kept = self._limits, (*begun.kept, head)
        if limits.max_exits is not None and len(kept) > limits.max_exits:
            return None
        if limits.max_memory_bytes is not None and self._heads.memory_bytes(kept) > limits.max_memory_bytes:
            return None
        leaving = begun.alive & self._hits[head]
        count = int(leaving.sum())
        if not count:
            return None
        if limits.min_precision is not None and self._good[leaving, head].sum() < limits.min_precision * count:
            return None
        piece = self.pieces.to_head[begun.at, head]
        return _Begun(
            kept=kept,
            at=self._heads.taps[head],
            alive=begun.alive & ~leaving,
            count=begun.count - count,
            correct=begun.correct + int(self._right[leaving, head].sum()),
            ms=begun.ms + float(piece[begun.count]),
            full_ms=begun.full_ms + float(piece[-1]),
        )

    def followers(self, begun: _Begun) -> Iterator[_Begun]:
        """All compositions with one more exit."""
        for head, tap in enumerate(self._heads.taps):
            if tap > begun.at:
                found = self.follow(begun, head)
                if found is not None:
                    yield found


class _Best:
    """The cheapest compositions so far."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.found: list[tuple[float, tuple[int, ...]]] = []

    @property
    def bound(self) -> float:
        """What a composition must fall below to be among them."""
        return self.found[-1][0] if len(self.found) == self._most else np.inf

    def add(self, ms: float, kept: tuple[int, ...]) -> None:
        """Note a composition, with the least of its costs."""
        if ms >= self.bound:
            return
        known = next((index for index, (_, other) in enumerate(self.found) if other == kept), None)
        if known is not None:
            if self.found[known][0] <= ms:
                return
            del self.found[known]
        insort(self.found, (ms, kept))
        del self.found[self._most :]


def _walk(look: _Look, begun: _Begun, best: _Best) -> None:
    """Depth first; a beginning is left when nothing that begins so can be among the best."""
    if look.allows(begun):
        best.add(look.ms(begun), begun.kept)
    if look.least_ms(begun) < best.bound:
        for follower in look.followers(begun):
            _walk(look, follower, best)


def _beam(look: _Look, start: _Begun, best: _Best, of_tap: list[tuple[int, ...]]) -> None:
    """Tap by tap; the beginnings stay that cost least if no exit follows, of those with enough right."""
    begun = [start]
    for heads in of_tap:
        found = [look.follow(each, head) for each in begun for head in heads]
        begun += [each for each in found if each is not None and look.right_enough(each)]
        begun = sorted(begun, key=look.ms)[:BEAM]
        for each in begun:
            if look.allows(each):
                best.add(look.ms(each), each.kept)
