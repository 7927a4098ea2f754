"""Wait for the message of a call, but not for ever."""

import asyncio
from time import perf_counter_ns
from typing import Any

import grpc

from eengines.errors import ClosedError
from eerun.serve.errors import RequestError, SlowClientError

__all__ = ["Arrived", "Messages"]


class Arrived:
    """The message of a call, as it came.

    Attributes:
        accepted_ns: `perf_counter_ns` when it was there, before anything was made of it.
        remaining_s: seconds from then until the client stops waiting; None: it does not say.
    """

    def __init__(self, content: bytes, *, remaining_s: float | None) -> None:
        self._content, self.remaining_s = content, remaining_s
        self.accepted_ns = perf_counter_ns()

    def take(self) -> bytes:
        """Return its bytes, once: they are not kept here while the call is answered."""
        content, self._content = self._content, b""
        return content


class Messages:
    """Reads the one message of each call.

    Args:
        timeout_s: how long a client may take to send it.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s, self._ended = timeout_s, False
        self._waiting: set[asyncio.Timeout] = set()

    async def read(self, context: "grpc.aio.ServicerContext") -> Arrived:
        """Return the message.

        Raises:
            SlowClientError: it did not come in time.
            ClosedError: it was not there yet when the server began to stop.
            RequestError: the client sent none.
        """
        try:
            async with asyncio.timeout(0.0 if self._ended else self._timeout_s) as limit:
                self._waiting.add(limit)
                try:
                    sent: Any = await context.read()
                finally:
                    self._waiting.discard(limit)
        except TimeoutError:
            if self._ended:
                raise ClosedError("request", "the server is being stopped", "Ask another server") from None
            problem = f"its message did not arrive within {self._timeout_s:g} s"
            raise SlowClientError("request", problem, "Send it at once") from None
        if sent is grpc.aio.EOF:
            raise RequestError("request", "it has no message", "Send one")
        return Arrived(sent, remaining_s=context.time_remaining())

    def end(self) -> None:
        """Wait for nothing more: calls whose message has not arrived are refused."""
        self._ended = True
        for limit in self._waiting:
            limit.reschedule(asyncio.get_running_loop().time())
