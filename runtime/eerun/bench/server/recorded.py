"""What the load generator wrote down of one block."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOST", "UNANSWERED", "Recorded"]

LOST, UNANSWERED = 0, -1
"""In place of an HTTP status: the connection was refused or lost; no answer came until the block was given up."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """One row for each query that counts, in the order of their schedule. Times in ns from the start of the block.

    Attributes:
        due_ns: `[queries] int64` when it should be sent.
        sent_ns: when it was handed to a connection; that of one that never was is the time of giving up.
        done_ns: when its answer was complete, or the connection lost.
        status: `[queries] int16` HTTP status, `LOST` or `UNANSWERED`.
        query: `[queries] int64` which encoded query it was.
        bodies: bodies of the answers with status 200, as they came; empty bytes of others.
        header_lengths: `[queries] int64` length of the JSON part of a body with binary tensors; 0: all of it is JSON.
        start_ns: when the part that counts began: when the last query that warms up was due, else 0.
        length_ns: see `Schedule.length_ns`.
        waited: queries that found every connection busy and no place for another.
        connections: connections that were open at the end.
        opened: connections that were opened during the block.
        cpu_ns: CPU time of the load generator over the block.
        all_queries: queries that were sent, with those that warm up.
    """

    due_ns: NDArray[np.int64]
    sent_ns: NDArray[np.int64]
    done_ns: NDArray[np.int64]
    status: NDArray[np.int16]
    query: NDArray[np.int64]
    bodies: tuple[bytes, ...]
    header_lengths: NDArray[np.int64]
    start_ns: int
    length_ns: int
    waited: int
    connections: int
    opened: int
    cpu_ns: int
    all_queries: int

    @property
    def answered(self) -> NDArray[np.bool_]:
        """`[queries]` which were answered with 200."""
        return np.equal(self.status, 200)

    @property
    def latency_ns(self) -> NDArray[np.int64]:
        """`[queries]` from the time on the schedule to completion, as LoadGen counts."""
        return self.done_ns - self.due_ns

    @property
    def late_ns(self) -> NDArray[np.int64]:
        """`[queries]` from the time on the schedule until it was sent."""
        return self.sent_ns - self.due_ns
