"""What a server process holds: memory, threads, file descriptors."""

from dataclasses import dataclass
from time import monotonic, sleep

import psutil

__all__ = ["Footprint", "footprint", "settled_footprint"]

LOOK_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """One look at a process.

    Attributes:
        memory_bytes: memory in RAM.
        threads: threads.
        descriptors: open files and sockets.
    """

    memory_bytes: int
    threads: int
    descriptors: int


def footprint(pid: int) -> Footprint:
    """Look at a process."""
    process = psutil.Process(pid)
    return Footprint(
        memory_bytes=process.memory_info().rss, threads=process.num_threads(), descriptors=process.num_fds()
    )


def settled_footprint(pid: int, before: Footprint, *, patience_s: float) -> Footprint:
    """Wait until threads and descriptors are no more than before; return the last look."""
    end_s = monotonic() + patience_s
    while True:
        now = footprint(pid)
        back = now.threads <= before.threads and now.descriptors <= before.descriptors
        if back or monotonic() > end_s:
            return now
        sleep(LOOK_S)
