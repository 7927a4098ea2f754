"""Stop working for a client that has gone."""

import asyncio
from types import TracebackType
from typing import Self

from starlette.types import Receive

__all__ = ["WatchClient"]

FIRST_LOOK_S = 0.02
"""Most answers are there before, so that looking costs them nothing but a timer."""


class WatchClient:
    """Cancels the task that entered it when the client disconnects. The whole body must have been received.

    Attributes:
        gone: the client has disconnected, and the task was cancelled for that.
    """

    def __init__(self, receive: Receive) -> None:
        self.gone = False
        self._receive = receive
        self._look: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._caller = asyncio.current_task()
        self._timer = loop.call_later(FIRST_LOOK_S, self._begin, loop)
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._timer.cancel()
        if self._look is not None:
            self._look.cancel()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._look = loop.create_task(self._wait())

    async def _wait(self) -> None:
        message = await self._receive()
        if message["type"] == "http.disconnect" and self._caller is not None:
            self.gone = True
            self._caller.cancel()
