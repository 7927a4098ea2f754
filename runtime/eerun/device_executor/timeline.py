"""Times of pieces of work that follow each other on a stream, by timed events."""

from itertools import pairwise
from math import ceil

from eengines.device import Device, Event, Stream

__all__ = ["Ballast", "Timeline"]

BALLAST_BYTES = 2**24
MARGIN = 2.0
LEAST_MS = 1e-3


class Timeline:
    """Marks on a stream, and the milliseconds between them.

    Args:
        device: of the stream; current in this thread.
        stream: where the work is.
    """

    def __init__(self, device: Device, stream: Stream) -> None:
        self._device, self._stream = device, stream
        self._events: list[Event] = []
        self._used = 0

    def mark(self) -> None:
        """Set a mark behind what is enqueued now."""
        if self._used == len(self._events):
            self._events.append(self._device.event(timed=True))
        self._events[self._used].record(self._stream)
        self._used += 1

    def wait(self) -> None:
        """Wait for the last mark."""
        self._events[self._used - 1].wait()

    def take(self) -> list[float]:
        """Wait for the last mark; return the milliseconds from each mark to the next, and forget all marks."""
        self.wait()
        events = self._events[: self._used]
        self._used = 0
        return [end.ms_since(start) for start, end in pairwise(events)]


class Ballast:
    """Copies in front of what is timed: while the device makes them, the host enqueues everything else.

    Without them a piece of work that is shorter than its launch would be timed with the gap in front of it.

    Args:
        device: current in this thread.
        stream: where the work will be.
    """

    def __init__(self, device: Device, stream: Stream) -> None:
        self._device, self._stream = device, stream
        self._memory = device.memory(2 * BALLAST_BYTES)
        timeline = Timeline(device, stream)
        self._copy()
        timeline.mark()
        self._copy()
        timeline.mark()
        self._copy_ms = max(LEAST_MS, timeline.take()[0])

    def enqueue(self, host_ms: float) -> None:
        """Keep the device busy for longer than the host will be with enqueueing."""
        for _ in range(ceil(max(LEAST_MS, MARGIN * host_ms) / self._copy_ms)):
            self._copy()

    def _copy(self) -> None:
        source = self._memory.address
        self._device.copy(source + BALLAST_BYTES, source, BALLAST_BYTES, self._stream)
