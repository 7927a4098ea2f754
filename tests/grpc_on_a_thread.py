"""A gRPC server on an event loop of its own thread, as clients of the tests see it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from eerun.serve.grpc import start_grpc
from eerun.serve.repository import Repository
from eerun.serve.settings import ServeSettings

WAIT_S = 30


@dataclass(frozen=True, kw_only=True)
class GrpcOnThread:
    """Where it listens, what it serves, and the loop that it runs on."""

    url: str
    repository: Repository
    loop: asyncio.AbstractEventLoop


@contextmanager
def grpc_on_thread(settings: ServeSettings, observers=()) -> Iterator[GrpcOnThread]:
    """Serve; stop the server and close the models at the end."""
    repository = Repository(settings)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def wait_for(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(WAIT_S)

    try:
        server = wait_for(start_grpc(repository, settings, observers=observers))
        try:
            yield GrpcOnThread(url=f"127.0.0.1:{server.port}", repository=repository, loop=loop)
        finally:
            wait_for(server.stop(1.0))
    finally:
        repository.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()
