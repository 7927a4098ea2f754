"""uvicorn, as a part of a process that has more to do."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

from eengines.errors import UserError
from eerun.serve.rest.protocol import limited_protocol
from eerun.serve.settings import ServeSettings

__all__ = ["HttpServer"]

POLL_S = 0.01
ACCEPTED_AT_ONCE = 4
"""Connections accepted before the loop does other things: those above the bound are open until it has refused them."""
BACKLOG = 1024
"""Connections that the kernel keeps until they are accepted."""


class HttpServer:
    """Serves an application on a socket.

    Args:
        app: the application.
        sock: is bound.
        settings: limits.
    """

    def __init__(self, app: Starlette, sock: socket.socket, settings: ServeSettings) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        config = uvicorn.Config(
            app,
            http=limited_protocol(settings),  # type: ignore[arg-type] # it asks for a class, and only calls it
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=ACCEPTED_AT_ONCE,
            proxy_headers=False,
            timeout_keep_alive=settings.keep_alive_s,  # type: ignore[arg-type] # any number of seconds
        )
        self._sock, self._server = sock, _Server(config)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            UserError: somebody else took the address meanwhile.
        """
        self._running = asyncio.create_task(self._server.serve(sockets=[self._sock]))
        while not self._server.started:
            if self._running.done():
                error = self._running.exception()
                problem = f"cannot listen at {self._sock.getsockname()}: {error}"
                raise UserError("port", problem, "Give another port, or 0 for a free one") from error
            await asyncio.sleep(POLL_S)
        self._sock.listen(BACKLOG)

    async def stop(self) -> None:
        """Take no more connections, and wait until every request is answered."""
        self._server.should_exit = True
        if self._running is not None:
            await self._running

    def end(self) -> None:
        """Let `stop` return, whatever is not answered yet."""
        self._server.force_exit = True


class _Server(uvicorn.Server):
    """Leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield
