"""Graphs of a CPU device: recorded work, with switches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from eengines.device import Event, GraphBuilder, Stream
from eengines.devices.cpu_stream import CpuStream, own_stream
from eengines.devices.cpu_work import Moment, Task, Works
from eengines.errors import EngineError

__all__ = ["CpuGraph", "Selectors", "capture"]


class Selectors:
    """Conditional values of all graphs of a device, by handle."""

    def __init__(self) -> None:
        self._values: dict[int, int] = {}
        self._handles = count()

    def make(self) -> int:
        """Make a value and return its handle, which may be 0: CUDA does not say that it never is."""
        handle = next(self._handles)
        self._values[handle] = 0
        return handle

    def set(self, selector: int, value: int) -> None:
        """Set a value."""
        self._values[selector] = value

    def get(self, selector: int) -> int:
        """Return a value."""
        return self._values[selector]


class Recording(CpuStream):
    """The stream of a capture: work is kept, not queued.

    Attributes:
        tasks: what was enqueued.
    """

    def __init__(self, works: Works) -> None:
        super().__init__(works)
        self.tasks: list[Task] = []

    def call(self, task: Task) -> None:
        """Record a function of the host."""
        self.tasks.append(task)

    def reach(self, moment: Moment) -> None:
        """Record nothing, as CUDA does: the event stands for a moment that never comes."""

    def wait_for(self, event: Event) -> None:
        """Refuse: a graph has one stream here."""
        raise EngineError("capture", f"got a wait for {event!r}, expected work of one stream", "Wait before capturing")

    def synchronize(self) -> None:
        """Refuse, as CUDA does."""
        raise EngineError("capture", "got a wait of the host while capturing", "Synchronise before or after")


@dataclass(eq=False, frozen=True)
class CpuGraph:
    """See `Graph`."""

    tasks: Sequence[Task]

    def launch(self, stream: Stream) -> None:
        """See `Graph.launch`."""
        own = own_stream(stream)
        for task in self.tasks:
            own.call(task)


class CpuGraphBuilder:
    """See `GraphBuilder`."""

    def __init__(self, works: Works, selectors: Selectors) -> None:
        self._works, self._selectors = works, selectors
        self._made: list[int] = []
        self._recording = Recording(works)

    @property
    def stream(self) -> Stream:
        """See `GraphBuilder.stream`."""
        return self._recording

    def selector(self) -> int:
        """See `GraphBuilder.selector`."""
        self._made.append(self._selectors.make())
        return self._made[-1]

    def switch(self, selector: int, bodies: Sequence[Callable[[Stream], None]]) -> None:
        """See `GraphBuilder.switch`."""
        recorded = [self._body(body) for body in bodies]

        def choose() -> None:
            value = self._selectors.get(selector)
            if 0 <= value < len(recorded):
                for task in recorded[value]:
                    task()

        self._recording.call(choose)

    def graph(self) -> CpuGraph:
        """What was recorded, after the conditional values are set to 0."""

        def reset() -> None:
            for selector in self._made:
                self._selectors.set(selector, 0)

        return CpuGraph((reset, *self._recording.tasks))

    def _body(self, body: Callable[[Stream], None]) -> tuple[Task, ...]:
        stream = Recording(self._works)
        body(stream)
        return tuple(stream.tasks)


def capture(works: Works, selectors: Selectors, record: Callable[[GraphBuilder], None]) -> CpuGraph:
    """Record work; see `Device.capture`."""
    builder = CpuGraphBuilder(works, selectors)
    record(builder)
    return builder.graph()
