"""Loads of bundles, one after the other in a thread of their own, so that nothing else waits for them."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from eengines.errors import ClosedError

__all__ = ["LoadThread"]


class LoadThread:
    """Runs loads by name; of one name at most one waits.

    Args:
        load: loads what has this name; whether there was something new.
    """

    def __init__(self, load: Callable[[str], bool]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._waiting: dict[str, Future[bool]] = {}
        self._closed = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="eerun-load")

    async def load(self, name: str) -> bool:
        """Load it, or wait for the load of the name that has not begun: it will find all that lies there now.

        Raises:
            ClosedError: this is closed.
            EEError: what `load` raises.
        """
        return await asyncio.shield(asyncio.wrap_future(self._queue(name)))

    async def run(self, work: Callable[[], None]) -> None:
        """Run other work in its turn; nothing is done where this is closed."""
        with self._lock:
            if self._closed:
                return
            running = self._pool.submit(work)
        await asyncio.shield(asyncio.wrap_future(running))

    def close(self) -> None:
        """Begin nothing more. What runs goes on."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=False)

    def _queue(self, name: str) -> "Future[bool]":
        with self._lock:
            if self._closed:
                raise _closed(name)
            if name not in self._waiting:
                self._waiting[name] = self._pool.submit(self._run, name)
            return self._waiting[name]

    def _run(self, name: str) -> bool:
        with self._lock:
            del self._waiting[name]
            if self._closed:
                raise _closed(name)
        return self._load(name)


def _closed(name: str) -> ClosedError:
    return ClosedError(f"model {name!r}", "the server is being stopped", "Ask another server")
