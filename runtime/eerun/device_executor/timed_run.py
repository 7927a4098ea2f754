"""Run one session by itself, as the chain runs it: one launch, one wait."""

from eengines.device import Device, Stream
from eengines.device_engine import DeviceSession
from eerun.executor import Run

__all__ = ["timed_run"]


def timed_run(device: Device, session: DeviceSession, stream: Stream) -> Run:
    """Return a function that launches a session and waits for it; the session has run once already."""
    event = device.event()
    graph = device.capture(lambda builder: session.enqueue(builder.stream)) if session.capturable else None

    def run() -> None:
        with device.use():
            if graph is None:
                session.enqueue(stream)
            else:
                graph.launch(stream)
            event.record(stream)
            event.wait()

    return run
