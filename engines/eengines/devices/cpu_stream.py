"""Streams and events of a CPU device."""

from eengines.device import Event, Stream
from eengines.devices.cpu_work import Moment, Reach, Task, Wait, Works
from eengines.errors import EngineError

__all__ = ["CpuEvent", "CpuStream", "own_stream"]

NS_PER_MS = 1e6


class CpuStream:
    """See `Stream`."""

    def __init__(self, works: Works) -> None:
        self._works = works
        self._queue = works.queue()
        self.handle = self._queue.number

    def call(self, task: Task) -> None:
        """Enqueue a function of the host; if it raises `EngineError`, later work of the stream is passed over."""
        self._works.add(self._queue, task)

    def reach(self, moment: Moment) -> None:
        """Let a moment come when what is enqueued now is done."""
        self._works.add(self._queue, Reach(moment))

    def wait_for(self, event: Event) -> None:
        """See `Stream.wait_for`."""
        self._works.add(self._queue, Wait(_own_event(event).moment))

    def synchronize(self) -> None:
        """See `Stream.synchronize`.

        Raises:
            EngineError: some of the work failed, and nobody was told so by this method.
        """
        self._works.finish(self._queue)


class CpuEvent:
    """See `Event`.

    Attributes:
        moment: what it stands for now.
    """

    def __init__(self, works: Works, *, timed: bool) -> None:
        self._works = works
        self._timed = timed
        self.moment = Moment(done_ns=0)

    def record(self, stream: Stream) -> None:
        """See `Event.record`."""
        own = own_stream(stream)
        self.moment = Moment()
        own.reach(self.moment)

    def wait(self) -> None:
        """See `Event.wait`."""
        self._works.do_until(self.moment)

    def is_done(self) -> bool:
        """See `Event.is_done`; asking lets some work be done, as time does on a GPU."""
        self._works.do_one()
        return self.moment.done_ns is not None

    def ms_since(self, start: Event) -> float:
        """See `Event.ms_since`."""
        begin = _own_event(start)
        first, last = begin.moment.done_ns, self.moment.done_ns
        if first is None or last is None or not (self._timed and begin._timed):
            raise EngineError("event", "it is not timed or not done", "Make both with timed=True, and wait for them")
        return (last - first) / NS_PER_MS


def own_stream(stream: Stream) -> CpuStream:
    """Return the stream if it is one of a CPU device.

    Raises:
        EngineError: it is not.
    """
    if not isinstance(stream, CpuStream):
        raise EngineError("stream", f"got {type(stream).__name__}, expected one of a CPU device", "Use one device")
    return stream


def _own_event(event: Event) -> CpuEvent:
    if not isinstance(event, CpuEvent):
        raise EngineError("event", f"got {type(event).__name__}, expected one of a CPU device", "Use one device")
    return event
