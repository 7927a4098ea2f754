"""The whole server on an event loop of its own thread, as clients of the tests see it."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

from eerun.serve.repository import Repository
from eerun.serve.server import serve
from eerun.serve.settings import ServeSettings
from eerun.serve.sockets import open_sockets, web_address

WAIT_S = 30


@dataclass(frozen=True, kw_only=True)
class ServedOnThread:
    """Where it listens, and what it serves.

    Attributes:
        address: `host:port` of HTTP.
        lines: what it said when it began.
        repository: its models.
    """

    address: str
    lines: tuple[str, ...]
    repository: Repository

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


@contextmanager
def served_on_thread(settings: ServeSettings, observers=()) -> Iterator[ServedOnThread]:
    """Serve; drain and close the models at the end."""
    sockets, repository, lines = open_sockets(settings), Repository(settings), []
    ready, told = Future(), Future()

    async def run() -> None:
        stop = asyncio.Event()
        told.set_result((asyncio.get_running_loop(), stop))

        def say(line: str) -> None:
            lines.append(line)
            if len(lines) == len(settings.bundles):
                ready.set_result(web_address(sockets.http))

        await serve(repository, sockets, stop=stop, say=say, observers=observers)

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        address = ready.result(WAIT_S)
        yield ServedOnThread(address=address, lines=tuple(lines), repository=repository)
    finally:
        loop, stop = told.result(WAIT_S)
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(WAIT_S)
        repository.close()
        sockets.close()
    assert not thread.is_alive()
