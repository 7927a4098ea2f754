"""Streams and events."""

from eengines.device import Event, Stream
from eengines.devices.cuda_context import CudaContext, Relaxed
from eengines.devices.cuda_driver import check
from eengines.errors import EngineError

__all__ = ["CudaEvent", "CudaStream"]


class CudaStream:
    """See `Stream`. It does not wait for the default stream, nor the default stream for it.

    Args:
        context: current in this thread.
        priority: lower numbers go first; clipped to what the GPU has.
        recording: it is for a capture only; nothing ever runs on it.
    """

    def __init__(self, context: CudaContext, *, priority: int = 0, recording: bool = False) -> None:
        self._driver = driver = context.driver
        with Relaxed(driver):  # a body of a switch is recorded on a new stream, in the middle of a capture
            least, greatest = check(driver.cuCtxGetStreamPriorityRange(), "asking for priorities")
            flags = driver.CUstream_flags.CU_STREAM_NON_BLOCKING
            made = driver.cuStreamCreateWithPriority(flags, max(greatest, min(least, priority)))
            self.handle = int(check(made, "making a stream"))
            if recording:
                context.give_back(self, driver.cuStreamDestroy, self.handle)
            else:
                context.give_back(self, context.remove_stream, self.handle)
                context.add_stream(self.handle)

    def wait_for(self, event: Event) -> None:
        """See `Stream.wait_for`."""
        check(self._driver.cuStreamWaitEvent(self.handle, _own(event).handle, 0), "waiting for an event")

    def synchronize(self) -> None:
        """See `Stream.synchronize`."""
        check(self._driver.cuStreamSynchronize(self.handle), "running enqueued work")


class CudaEvent:
    """See `Event`.

    Args:
        context: current in this thread.
        timed: keep the time when it is reached.
    """

    def __init__(self, context: CudaContext, *, timed: bool = False) -> None:
        self._driver = driver = context.driver
        self._timed = timed
        kinds = driver.CUevent_flags
        flags = kinds.CU_EVENT_DEFAULT if timed else kinds.CU_EVENT_DISABLE_TIMING
        self.handle = int(check(driver.cuEventCreate(flags), "making an event"))
        context.give_back(self, driver.cuEventDestroy, self.handle)

    def record(self, stream: Stream) -> None:
        """See `Event.record`."""
        check(self._driver.cuEventRecord(self.handle, stream.handle), "recording an event")

    def wait(self) -> None:
        """See `Event.wait`."""
        check(self._driver.cuEventSynchronize(self.handle), "running enqueued work")

    def is_done(self) -> bool:
        """See `Event.is_done`."""
        result = self._driver.cuEventQuery(self.handle)
        if result[0] == self._driver.CUresult.CUDA_ERROR_NOT_READY:
            return False
        check(result, "running enqueued work")
        return True

    def ms_since(self, start: Event) -> float:
        """See `Event.ms_since`."""
        begin = _own(start)
        if not (self._timed and begin._timed):
            raise EngineError("event", "it keeps no time", "Make both events with timed=True")
        return float(check(self._driver.cuEventElapsedTime(begin.handle, self.handle), "reading the time of events"))


def _own(event: Event) -> CudaEvent:
    if not isinstance(event, CudaEvent):
        raise EngineError("event", f"got {type(event).__name__}, expected an event of CUDA", "Use one device")
    return event
