"""Run long work of a library that cannot be left by an exception.

Python delivers Ctrl-C to the main thread, wherever that is: in a callback that C++ called, where an exception ends the
process. So the work has a thread of its own, and the caller's thread waits, reports, and receives what is raised.
"""

from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event
from typing import TypeVar

__all__ = ["Report", "run_interruptible"]

Result = TypeVar("Result")

Report = Callable[[float], bool]
"""Takes the share that is done; says whether to go on. Never raises, never waits."""


def run_interruptible(work: Callable[[Report], Result], progress: Callable[[float], None]) -> Result:
    """Run `work` on another thread and `progress`, with the shares that it reports, on this one.

    An exception of `progress`, or one that is delivered to this thread, asks the work to stop, and is raised when it
    has.

    Raises:
        Exception: what `work` or `progress` raises.
    """
    shares: SimpleQueue[float | None] = SimpleQueue()
    submitted, stopped = Event(), Event()

    def report(share: float) -> bool:
        shares.put(share)
        return not stopped.is_set()

    def begin() -> Result:
        submitted.wait()  # a thread whose start was interrupted is not known to the pool, which would not wait for it
        if stopped.is_set():
            raise CancelledError
        return work(report)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="eengines-build") as pool:
        try:
            future = pool.submit(begin)
            future.add_done_callback(lambda _: shares.put(None))
            submitted.set()
            while (share := shares.get()) is not None:
                progress(share)
            return future.result()
        finally:
            stopped.set()
            submitted.set()
