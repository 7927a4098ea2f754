"""The calls that have samples inside a lane, by a small number that rows carry along."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eerun.scheduler.request import Request, Terms

__all__ = ["Calls"]

CLOSED = np.float32("nan")
"""A threshold that no score reaches."""

REMEMBERED = 64
"""Terms whose thresholds are kept as float32."""


class _Row(NamedTuple):
    """What the table holds of terms.

    Attributes:
        bars: `[exits] float32`.
        max_exit: see `Terms`.
        closed: nobody leaves at one of the early exits.
        forced: somebody may be forced before the final exit.
    """

    bars: NDArray[np.float32]
    max_exit: int
    closed: bool
    forced: bool


class Calls:
    """A table of fixed size; a place is free again when the last sample of its call has left.

    Attributes:
        bars: `[exits, places] float32` thresholds of each call; not a number: nobody leaves there.
        last: `[places] intp` the exit at which whoever is still there leaves.
        final: number of the final exit.
        closed: how many calls inside have an early exit where nobody leaves.
        forced: how many are forced before the final exit.
        watched: how many have watched samples.

    Args:
        exits: how many.
        places: the most samples that are inside at once.
    """

    def __init__(self, exits: int, places: int) -> None:
        self.bars = np.full((exits, places), CLOSED)
        self.last = np.full(places, exits - 1, np.intp)
        self.closed = self.forced = self.watched = 0
        self.final = exits - 1
        self._requests: list[Request | None] = [None] * places
        self._inside = [0] * places
        self._free = list(range(places))
        self._rows: dict[Terms, _Row] = {}

    def enter(self, requests: Sequence[Request], samples: Sequence[int]) -> list[int]:
        """Give calls a place each for so many of their samples; return their numbers."""
        count = len(requests)
        places = self._free[-count:]
        terms = requests[0].terms
        if all(request.terms is terms for request in requests):
            self._write(places, self._row(terms), count)
        else:
            for place, request in zip(places, requests, strict=True):
                self._write([place], self._row(request.terms), 1)
        for place, request, inside in zip(places, requests, samples, strict=True):
            self._requests[place], self._inside[place] = request, inside
            if request.answers.shadow is not None:
                self.watched += 1
        del self._free[-count:]
        return places

    def leave(self, places: Sequence[int], samples: Sequence[int]) -> None:
        """Note that so many samples of calls are not inside any more."""
        inside = self._inside
        for place, gone in zip(places, samples, strict=True):
            inside[place] -= gone
            if not inside[place]:
                self._end(place)

    def __getitem__(self, place: int) -> Request:
        request = self._requests[place]
        assert request is not None  # noqa: S101 - whoever asks has a sample inside
        return request

    def _end(self, place: int) -> None:
        """Free a place."""
        request = self[place]
        self._requests[place] = None
        self._free.append(place)
        if self.closed or self.forced:
            row = self._row(request.terms)
            self.closed -= row.closed
            self.forced -= row.forced
        if request.answers.shadow is not None:
            self.watched -= 1

    def _write(self, places: list[int], row: _Row, count: int) -> None:
        """Write terms to places, and count them."""
        self.bars[:, places] = row.bars[:, None]
        self.last[places] = row.max_exit
        self.closed += count * row.closed
        self.forced += count * row.forced

    def _row(self, terms: Terms) -> _Row:
        """Terms as they are compared."""
        found = self._rows.get(terms)
        if found is None:
            with np.errstate(over="ignore"):  # a threshold above all of float32 is infinite there
                bars = np.array([CLOSED if value is None else value for value in (*terms.thresholds, None)], np.float32)
            if len(self._rows) == REMEMBERED:
                self._rows.clear()
            closed, forced = None in terms.thresholds, terms.max_exit < self.final
            found = self._rows[terms] = _Row(bars, terms.max_exit, closed, forced)
        return found
