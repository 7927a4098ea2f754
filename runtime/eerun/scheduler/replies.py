"""How an answer reaches the caller: a future of any thread, or one of an asyncio loop."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from eengines.errors import ClosedError

__all__ = ["FutureReply", "LoopReply", "Outbox", "Reply"]

_log = logging.getLogger("eerun")


class Reply(Protocol):
    """Where the answer of one call goes."""

    def begin(self) -> bool:
        """Say that the call is taken up, once; False: the caller has given it up."""

    def send(self, value: Any, error: Exception | None, outbox: "Outbox") -> None:
        """Hand over the answer, or why there is none; at the latest when the outbox is flushed."""


class FutureReply(Future[Any]):
    """A future of any thread.

    Attributes:
        withdraw: is called when the caller cancels it before it was taken up.
    """

    withdraw: Callable[[], None] | None = None

    def __init__(self) -> None:
        super().__init__()
        self._process = os.getpid()

    def result(self, timeout: float | None = None) -> Any:
        """See `concurrent.futures.Future.result`; a copy in a child by fork raises `ClosedError`."""
        self._look_for_fork()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """See `concurrent.futures.Future.exception`, and `result`."""
        self._look_for_fork()
        return super().exception(timeout)

    def done(self) -> bool:
        """See `concurrent.futures.Future.done`, and `result`."""
        self._look_for_fork()
        return super().done()

    def _look_for_fork(self) -> None:
        """Fail a copy in a child of the process that answers; a thread of the parent may have held its lock."""
        if self._process == os.getpid():
            return
        self._process, self._condition = os.getpid(), threading.Condition()
        if not super().done():
            problem = "the call waits in the parent of this process, whose threads do not exist here"
            self.set_exception(ClosedError("future", problem, "Wait for it there"))

    def begin(self) -> bool:
        """See `Reply.begin`."""
        return self.set_running_or_notify_cancel()

    def send(self, value: Any, error: Exception | None, outbox: "Outbox") -> None:  # noqa: ARG002 - nothing is kept back
        """See `Reply.send`."""
        self.withdraw = None  # it refers to the call, which refers to this
        try:
            if error is None:
                self.set_result(value)
            else:
                self.set_exception(error)
        except BaseException:  # e.g. SystemExit in a callback of the caller, which must stop nobody else
            if not self.done():
                raise
            _log.exception("a callback raised")

    def cancel(self) -> bool:
        """See `concurrent.futures.Future.cancel`."""
        cancelled = super().cancel()
        withdraw, self.withdraw = self.withdraw, None
        if cancelled and withdraw is not None:
            withdraw()
        return cancelled


class LoopReply:
    """A future of an asyncio loop, made on its thread.

    Attributes:
        future: what the caller awaits.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self._loop.create_future()

    def begin(self) -> bool:
        """See `Reply.begin`: who is cancelled withdraws the call himself."""
        return True

    def send(self, value: Any, error: Exception | None, outbox: "Outbox") -> None:
        """See `Reply.send`."""
        outbox.keep(self._loop, self.future, value, error)


Letter = tuple["asyncio.Future[Any]", Any, Exception | None]


class Outbox:
    """Keeps the answers to one loop until they are handed over together: waking a loop costs more than an answer."""

    def __init__(self) -> None:
        self._letters: dict[asyncio.AbstractEventLoop, list[Letter]] = {}

    def keep(
        self, loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", value: Any, error: Exception | None
    ) -> None:
        """Keep an answer for a loop."""
        self._letters.setdefault(loop, []).append((future, value, error))

    def flush(self) -> None:
        """Hand over what was kept; a loop that is closed has nobody who waits."""
        if not self._letters:
            return
        letters, self._letters = self._letters, {}
        for loop, kept in letters.items():
            try:
                loop.call_soon_threadsafe(_hand_over, kept)
            except RuntimeError:
                if not loop.is_closed():
                    raise


def _hand_over(letters: list[Letter]) -> None:
    """Set futures, on the thread of their loop."""
    for future, value, error in letters:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
