"""The protocol between the scheduler and what runs samples: a lane is one chain with room between its segments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView
from eengines.tensors import Array
from eerun.costs import CostTable
from eerun.executor import Step
from eerun.scheduler.lanes.share import Share
from eerun.scheduler.request import Answered, Request

__all__ = ["Chunk", "Lane", "Ran"]


@dataclass(kw_only=True, eq=False, slots=True)
class Chunk:
    """Neighbouring samples `start` to `start + count` of one call, or of its share of a lane, which enter together.

    Attributes:
        request: the call.
        start: the first of them.
        count: how many.
        share: in which they are neighbours; None: in the call, all of whose samples go to this lane.
    """

    request: Request
    start: int
    count: int
    share: Share | None = None

    @property
    def inputs(self) -> Mapping[str, Array | DeviceView]:
        """The arrays `[samples, ...]` in which they are neighbours."""
        return self.request.inputs if self.share is None else self.share.inputs

    @property
    def samples(self) -> NDArray[np.intp]:
        """`[count] intp`, which samples of the call they are."""
        if self.share is None or self.share.samples is None:
            return np.arange(self.start, self.start + self.count)
        return self.share.samples[self.start : self.start + self.count]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ran:
    """What one run did.

    Attributes:
        steps: what each segment did: of a lane that stops between segments exactly one.
        answered: the answers that it made, by exit.
    """

    steps: tuple[Step, ...]
    answered: tuple[Answered, ...]


class Lane(Protocol):
    """Runs samples through one chain, a segment at a time. Rows are those of the graphs: samples, or groups of them.

    Not thread-safe, but for `start` of a lane with `in_flight` above 1.
    """

    @property
    def fold(self) -> int:
        """Samples a row."""

    @property
    def max_rows(self) -> int:
        """The most rows that run together, and that wait at one segment."""

    @property
    def segments(self) -> int:
        """How many segments rows can wait at; 1: a lane that runs whole batches, and nobody waits inside."""

    @property
    def mixes(self) -> bool:
        """Whether calls with different terms may enter together."""

    @property
    def in_flight(self) -> int:
        """How many `start` may run at once."""

    @property
    def costs(self) -> CostTable:
        """Measured times of its segments; of a lane that runs whole batches those of the chain behind it."""

    @property
    def waiting(self) -> Sequence[int]:
        """`[segments]` rows that wait at each segment; nobody waits at the first."""

    def start(self, chunks: Sequence[Chunk]) -> Ran:
        """Let samples enter, at most `max_rows` rows of them, and run the first segment (or all) on them.

        Raises:
            EngineError: the engine failed; the samples that entered are gone, all others are where they were.
        """

    def run(self, segment: int) -> Ran:
        """Run a segment behind the first on all rows that wait there; the next one has room for them.

        Raises:
            EngineError: the engine failed; the rows that waited at this segment are gone.
        """

    def requests_at(self, segment: int) -> tuple[Request, ...]:
        """The calls that have samples at a segment: whom to tell if `run` fails, and whose age counts."""
