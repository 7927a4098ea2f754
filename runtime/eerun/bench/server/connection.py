"""One keep-alive connection of the load generator: a request out, its answer in, one at a time."""

import asyncio
from collections.abc import Callable

import httptools

from eerun.bench.server.recorded import LOST

__all__ = ["Answer", "Connection"]

HEADER_LENGTH = b"inference-header-content-length"

Done = Callable[["Connection", int, "Answer"], None]
"""Told of an answer: connection, the query's number, and what came."""

Gone = Callable[["Connection"], None]
"""Told of a connection that is closed."""


class Answer:
    """Status and body of one answer, as they come in."""

    __slots__ = ("body", "header_length", "keep_alive", "status")

    def __init__(self) -> None:
        self.status = LOST
        self.body = b""
        self.header_length = 0
        self.keep_alive = False


class Connection(asyncio.Protocol):
    """Sends one request at a time and parses its answer.

    Args:
        done: told of each answer, also of the query of a connection that is lost (status `LOST`).
        gone: told when it is closed, before `done`.
    """

    def __init__(self, done: Done, gone: Gone) -> None:
        self._done, self._gone = done, gone
        self._transport: asyncio.Transport | None = None
        self._number: int | None = None
        self._answer = Answer()
        self._parser = httptools.HttpResponseParser(self)
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream, which mypy cannot know
        self._transport = transport
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        """Called by asyncio; a query that is on its way is lost."""
        self.open = False
        self._gone(self)
        self._finish(LOST)

    def send(self, number: int, request: bytes) -> None:
        """Send a request; the connection is idle."""
        self._number, self._answer = number, Answer()
        if self._transport is None or self._transport.is_closing():
            self._finish(LOST)
            return
        self._transport.write(request)

    def close(self) -> None:
        """Give the connection up, with what is on its way."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        if name.lower() == HEADER_LENGTH:
            self._answer.header_length = int(value)

    def on_body(self, body: bytes) -> None:
        """Called by the parser; most answers come in one piece."""
        self._answer.body = self._answer.body + body if self._answer.body else body

    def on_message_complete(self) -> None:
        """Called by the parser."""
        status = self._parser.get_status_code()
        self._answer.keep_alive = self._parser.should_keep_alive()
        if not self._answer.keep_alive:
            self.close()
        self._finish(status)

    def _finish(self, status: int) -> None:
        """Tell of the answer, once."""
        if self._number is None:
            return
        number, self._number = self._number, None
        self._answer.status = status
        self._done(self, number, self._answer)
