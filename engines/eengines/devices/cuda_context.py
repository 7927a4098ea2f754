"""The primary context of a GPU: the one that the CUDA runtime, TensorRT, torch and cupy use too.

What is made in it is given back by finalizers. They may run in any thread, in the middle of a capture, at the end of
the process, and in a forked child; there they do nothing, since the memory is its parent's.
"""

import logging
import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

from eengines.devices.cuda_driver import check, check_process, started_driver
from eengines.errors import EngineError

__all__ = ["CudaContext", "Relaxed"]

logger = logging.getLogger("eengines")


class CudaContext:
    """A primary context: retained when it is first used, kept until the process ends.

    Args:
        ordinal: of the GPU, as the driver counts.
    """

    def __init__(self, ordinal: int) -> None:
        self.ordinal = ordinal
        self.driver = started_driver()
        self.device = check(self.driver.cuDeviceGet(ordinal), f"opening GPU {ordinal}")
        self._started_in = os.getpid()
        self._lock = threading.RLock()  # a finalizer may run in a thread that holds it
        self._handle: Any = None
        self._housekeeping: Any = None
        self._fences: dict[int, Any] = {}

    def use(self) -> "Current":
        """Make it the thread's current context for the time of a `with`.

        Raises:
            EngineError: the process is a fork, or the GPU has no room for a context.
        """
        check_process(self._started_in)
        if self._housekeeping is None:
            self._retain()
        return Current(self.driver, self._handle, self._started_in)

    @property
    def handle(self) -> Any:
        """The `CUcontext`; there is one inside `use()`."""
        return self._handle

    @property
    def housekeeping(self) -> Any:
        """The stream on which memory is given out, zeroed and taken back."""
        return self._housekeeping

    def add_stream(self, stream: int) -> None:
        """Let memory that is given back from now on wait for the work of a stream."""
        fence = check(self.driver.cuEventCreate(self.driver.CUevent_flags.CU_EVENT_DISABLE_TIMING), "making an event")
        with self._lock:
            self._fences[stream] = fence

    def remove_stream(self, stream: int) -> Any:
        """Destroy a stream; work that is on it goes on. Its last work is waited for as before."""
        fence = self._fences.pop(stream, None)
        if fence is not None:
            self._join(stream, fence)
            self.driver.cuEventDestroy(fence)
        return self.driver.cuStreamDestroy(stream)

    def wait_for_all_streams(self) -> None:
        """Let the housekeeping stream wait for everything that is enqueued now."""
        for stream, fence in tuple(self._fences.items()):
            self._join(stream, fence)

    def give_back(self, owner: object, free: Callable[..., Any], *arguments: Any) -> None:
        """Call `free` when `owner` is collected, or when the process ends.

        Args:
            owner: whose end it is.
            free: a call of the bindings; it must not refer to `owner`.
            arguments: of the call.
        """
        weakref.finalize(owner, self._give_back, free, *arguments)

    def _give_back(self, free: Callable[..., Any], *arguments: Any) -> None:
        if os.getpid() != self._started_in:  # and the lock may be held by a thread that is not here
            return
        try:
            with self._lock, self.use(), Relaxed(self.driver):
                check(free(*arguments), f"giving back ({free.__name__})")
        except EngineError as error:  # after a lost context all calls fail; whoever waits for work is told that
            logger.debug("%s", error)

    def _join(self, stream: int, fence: Any) -> None:
        """Let the housekeeping stream wait for one stream, unless it records a graph: nothing runs on it then."""
        driver = self.driver
        error, status = driver.cuStreamIsCapturing(stream)
        if not error and status == driver.CUstreamCaptureStatus.CU_STREAM_CAPTURE_STATUS_NONE:
            driver.cuEventRecord(fence, stream)
            driver.cuStreamWaitEvent(self._housekeeping, fence, 0)

    def _retain(self) -> None:
        with self._lock:
            if self._housekeeping is not None:
                return
            driver = self.driver
            if self._handle is None:
                self._handle = check(driver.cuDevicePrimaryCtxRetain(self.device), "opening the GPU's primary context")
                weakref.finalize(self, _release, driver, self.device, self._started_in)
            with Current(driver, self._handle, self._started_in):
                flags = driver.CUstream_flags.CU_STREAM_NON_BLOCKING
                stream = check(driver.cuStreamCreate(flags), "making a stream")
            self._housekeeping = stream
        self.give_back(self, driver.cuStreamDestroy, stream)


class Current:
    """Pushes a context on the thread's stack, and afterwards restores what the thread had."""

    __slots__ = ("_before", "_driver", "_handle", "_started_in")

    def __init__(self, driver: Any, handle: Any, started_in: int) -> None:
        self._driver = driver
        self._handle = handle
        self._started_in = started_in
        self._before = 0

    def __enter__(self) -> None:
        self._before = int(check(self._driver.cuCtxGetCurrent(), "asking for the current context"))
        check(self._driver.cuCtxPushCurrent(self._handle), "making the GPU current")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() != self._started_in:
            return
        popped = self._driver.cuCtxPopCurrent()[1]
        if popped is None or int(popped) != int(self._handle):
            self._restore()

    def _restore(self) -> None:
        """Take off contexts that were left on the stack, or put on one that was taken off."""
        driver = self._driver
        while (current := int(check(driver.cuCtxGetCurrent(), "asking for the current context"))) != self._before:
            if current == 0:
                check(driver.cuCtxPushCurrent(self._before), "restoring the thread's context")
            else:
                check(driver.cuCtxPopCurrent(), "restoring the thread's context")


class Relaxed:
    """Allows calls that CUDA forbids a thread while it captures, for those that no graph can depend on."""

    __slots__ = ("_driver", "_mode")

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._mode: Any = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED

    def __enter__(self) -> None:
        self._swap()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._swap()

    def _swap(self) -> None:
        self._mode = check(self._driver.cuThreadExchangeStreamCaptureMode(self._mode), "changing the capture mode")


def _release(driver: Any, device: Any, started_in: int) -> None:
    if os.getpid() == started_in:
        driver.cuDevicePrimaryCtxRelease(device)
