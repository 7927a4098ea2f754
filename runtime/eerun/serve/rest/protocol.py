"""HTTP connections with limits that uvicorn does not have: how many, how large a head, how slow a client may be."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from eerun.serve.rest.body import ARRIVED
from eerun.serve.rest.errors_in_json import error_body
from eerun.serve.settings import ServeSettings

__all__ = ["limited_protocol"]

MAX_HEAD_BYTES = 64 * 1024
LINGER_S = 1.0
"""A connection that is closed under the client's writes loses the answer."""


def limited_protocol(settings: ServeSettings) -> Callable[..., HttpToolsProtocol]:
    """Return what makes a connection with the limits of the settings."""
    return partial(_Connection, settings)


class _Connection(HttpToolsProtocol):
    """One connection.

    A client has `keep_alive_s` to begin a request, `request_timeout_s` from its first byte to the end of its head, and
    as long to take what it is sent. The time of the body is watched by who reads it.
    """

    def __init__(
        self,
        settings: ServeSettings,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config=config, server_state=server_state, app_state=app_state, _loop=_loop)
        self._settings = settings
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Begin, or say that there are too many connections."""
        super().connection_made(transport)
        if len(self.connections) > self._settings.max_connections:
            self._refuse(503, f"more than {self._settings.max_connections} connections: try again later")
            return
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        for timer in (self._head_timer, self._write_timer, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read; see to it that the head of a request ends."""
        if self._refused:
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._refused or self.transport.is_closing() or not self._in_head():
            self._head_bytes = 0
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_head()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self._settings.request_timeout_s, self._head_is_late)

    def on_headers_complete(self) -> None:
        """Stop watching the head."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if self._head_bytes > MAX_HEAD_BYTES:  # the body may be among them
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > MAX_HEAD_BYTES:
                self._refuse_head()
                raise ValueError("the head is too large")  # the parser stops, and uvicorn takes it for a wrong request
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Say that nobody needs to wait for the body."""
        self.scope["state"][ARRIVED] = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on; a connection that is being closed is not kept for a client that does not read."""
        super().on_response_complete()
        if self.transport.is_closing() and self._write_timer is None and self.transport.get_write_buffer_size():
            self._write_timer = self.loop.call_later(self._settings.request_timeout_s, self.transport.abort)

    def pause_writing(self) -> None:
        """Wait for the client to read, but not for ever."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self._settings.request_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that nobody uses."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(400, msg)

    def _in_head(self) -> bool:
        """Whether the client has begun a request of which the server does not know yet what it is."""
        return self.cycle is None or self.cycle.response_complete

    def _head_is_late(self) -> None:
        self._head_timer = None
        self._refuse(408, f"the head of the request did not arrive within {self._settings.request_timeout_s:g} s")

    def _refuse_head(self) -> None:
        self._refuse(431, f"the head of the request has more than {MAX_HEAD_BYTES} bytes")

    def _refuse(self, status: int, message: str) -> None:
        """Answer before there is a request, and close the connection when the client has, or in a moment."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        body = error_body(message)
        more = b"retry-after: 1\r\n" if status == 503 else b""
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + more + head + body)
        self.transport.write_eof()
        self._write_timer = self.loop.call_later(0.0 if status == 503 else LINGER_S, self.transport.abort)
