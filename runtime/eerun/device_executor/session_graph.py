"""One session alone, launched as the chain launches it: as a graph where the library lets itself be captured."""

from collections.abc import Callable

from eengines.device import Device, Stream
from eengines.device_engine import DeviceSession

__all__ = ["session_launch"]


def session_launch(device: Device, session: DeviceSession, stream: Stream) -> Callable[[], None]:
    """Return a function that enqueues a session; it has run once already."""
    if not session.capturable:
        return lambda: session.enqueue(stream)
    graph = device.capture(lambda builder: session.enqueue(builder.stream))
    return lambda: graph.launch(stream)
