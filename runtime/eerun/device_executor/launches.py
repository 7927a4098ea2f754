"""What a slot launches: one graph for each segment and bucket, or one for the whole chain and each first bucket."""

from collections.abc import Callable, Sequence
from typing import Protocol

from eengines.device import Device, Graph, GraphBuilder, Stream
from eengines.device_engine import DeviceSession
from eerun.device_executor.exit_kernels import ExitKernels

__all__ = ["ChainLaunches", "Launches", "SegmentLaunches", "Sessions"]

Sessions = Sequence[Sequence[DeviceSession]]
"""`[segment][number of the bucket]`, each has run once."""


class Launches(Protocol):
    """Work that is enqueued at once."""

    def launch(self, segment: int, number: int, stream: Stream) -> None:
        """Enqueue a segment, in the bucket of that number, and what follows before the host is asked."""


class SegmentLaunches:
    """A segment, and the decision behind it; the host reads the decision and launches the next.

    Sessions that cannot be recorded are enqueued one by one.
    """

    def __init__(self, device: Device, sessions: Sessions, kernels: ExitKernels, buckets: Sequence[int]) -> None:
        self._sessions, self._kernels, self._buckets = sessions, kernels, buckets
        self._graphs: list[list[Graph | None]] = [
            [self._graph(device, segment, number) for number in range(len(buckets))] for segment in range(len(sessions))
        ]

    def launch(self, segment: int, number: int, stream: Stream) -> None:
        """See `Launches.launch`."""
        graph = self._graphs[segment][number]
        if graph is None:
            self._enqueue(segment, number, stream)
        else:
            graph.launch(stream)

    def _enqueue(self, segment: int, number: int, stream: Stream) -> None:
        self._sessions[segment][number].enqueue(stream)
        self._kernels.launch(segment, rows=self._buckets[number], stream=stream)

    def _graph(self, device: Device, segment: int, number: int) -> Graph | None:
        if not self._sessions[segment][number].capturable:
            return None
        return device.capture(lambda builder: self._enqueue(segment, number, builder.stream))


class ChainLaunches:
    """All segments: the first in one bucket, each other one in the bucket that the exit before it selects.

    The decisions are between the switches, not in their bodies: they run also where no body ran, and then hand on that
    nobody is left.
    """

    def __init__(self, device: Device, sessions: Sessions, kernels: ExitKernels, buckets: Sequence[int]) -> None:
        self._sessions, self._kernels, self._buckets = sessions, kernels, buckets
        self._graphs = [device.capture(self._record(number)) for number in range(len(buckets))]

    def launch(self, segment: int, number: int, stream: Stream) -> None:  # noqa: ARG002 - it is the first
        """See `Launches.launch`."""
        self._graphs[number].launch(stream)

    def _record(self, number: int) -> Callable[[GraphBuilder], None]:
        """A batch that begins in the bucket of that number; its rows never grow."""
        last, rows = len(self._sessions) - 1, self._buckets[number]

        def record(builder: GraphBuilder) -> None:
            self._sessions[0][number].enqueue(builder.stream)
            for segment in range(last):
                selector = builder.selector()
                self._kernels.launch(segment, rows=rows, stream=builder.stream, selector=selector)
                builder.switch(selector, [session.enqueue for session in self._sessions[segment + 1]])
            self._kernels.launch(last, rows=rows, stream=builder.stream)

        return record
