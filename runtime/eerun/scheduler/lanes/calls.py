"""The calls that have samples inside a lane, by a small number that rows carry along."""

import numpy as np
from numpy.typing import NDArray

from eerun.scheduler.request import Request, Terms

__all__ = ["Calls"]

CLOSED = np.float32("nan")
"""A threshold that no score reaches."""

REMEMBERED = 64
"""Terms whose thresholds are kept as float32."""


class Calls:
    """A table of fixed size; a place is free again when the last sample of its call has left.

    Attributes:
        bars: `[exits, places] float32` thresholds of each call; not a number: nobody leaves there.
        last: `[places] intp` the exit at which whoever is still there leaves.
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
        self._final = exits - 1
        self._requests: list[Request | None] = [None] * places
        self._inside = [0] * places
        self._free = list(range(places))
        self._bars_of: dict[Terms, NDArray[np.float32]] = {}

    def enter(self, request: Request, samples: int) -> int:
        """Give a call a place for some of its samples; return its number."""
        place = self._free[-1]
        self.bars[:, place] = self._as_float32(request.terms)
        self.last[place] = request.terms.max_exit
        self._free.pop()
        self._requests[place], self._inside[place] = request, samples
        self._count(request, 1)
        return place

    def leave(self, place: int, samples: int) -> None:
        """Note that samples of a call are not inside any more."""
        self._inside[place] -= samples
        if not self._inside[place]:
            self._count(self[place], -1)
            self._requests[place] = None
            self._free.append(place)

    def __getitem__(self, place: int) -> Request:
        request = self._requests[place]
        assert request is not None  # noqa: S101 - whoever asks has a sample inside
        return request

    def _count(self, request: Request, calls: int) -> None:
        """Add to what is counted of the calls inside."""
        self.closed += calls * (None in request.terms.thresholds)
        self.forced += calls * (request.terms.max_exit < self._final)
        self.watched += calls * (request.answers.shadow is not None)

    def _as_float32(self, terms: Terms) -> NDArray[np.float32]:
        """Thresholds as they are compared."""
        found = self._bars_of.get(terms)
        if found is None:
            with np.errstate(over="ignore"):  # a threshold above all of float32 is infinite there
                found = np.array(
                    [CLOSED if value is None else value for value in (*terms.thresholds, None)], np.float32
                )
            if len(self._bars_of) == REMEMBERED:
                self._bars_of.clear()
            self._bars_of[terms] = found
        return found
