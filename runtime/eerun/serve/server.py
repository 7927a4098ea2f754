"""Run a server: HTTP and gRPC on one loop, until it is told to stop; then what was accepted is answered."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace

import psutil

from eerun.serve.exchange import Observer
from eerun.serve.grpc.server import GrpcServer, start_grpc
from eerun.serve.http_server import HttpServer
from eerun.serve.log_rate import LogRate
from eerun.serve.logs import open_logs
from eerun.serve.open_files import fit_connections
from eerun.serve.probe_models import probe_models
from eerun.serve.repository import Repository
from eerun.serve.request_log import RequestLog
from eerun.serve.rest.app import create_app, create_metrics_app
from eerun.serve.settings import ServeSettings
from eerun.serve.sockets import Sockets, in_url, open_sockets
from eerun.serve.start_lines import start_lines
from eerun.serve.watch_bundles import watch_bundles

__all__ = ["run", "serve"]

SWITCH_INTERVAL_S = 0.0005
"""The scheduler's thread must not wait 5 ms, Python's default, for the thread of the loop."""
MOST_SCRAPERS = 16
"""Connections of the port that has nothing but metrics."""
LAST_WORDS_S = 2.0
"""How long those that are refused at the end of draining have to be told so."""

_log = logging.getLogger("eerun.serve")


def run(settings: ServeSettings, *, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then answer what was accepted and return.

    Args:
        settings: what to serve, and where.
        say: is given the lines that tell it.

    Raises:
        EEError: a bundle cannot be served, or a port is taken.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    open_logs(settings.log_format.value, level=logging.DEBUG if settings.log_requests else logging.INFO)
    logging.getLogger("asyncio").addFilter(LogRate())
    with ExitStack() as stack:
        observers = list[Observer]([RequestLog()])
        if settings.otel:
            from eerun.serve.spans import Spans

            spans = Spans.from_environment()
            stack.callback(spans.close)
            observers.append(spans)
        sockets = open_sockets(settings)
        stack.callback(sockets.close)
        repository = Repository(settings)
        stack.callback(repository.close)
        asyncio.run(_until_signal(repository, sockets, say, observers))


async def _until_signal(
    repository: Repository, sockets: Sockets, say: Callable[[str], None], observers: Sequence[Observer]
) -> None:
    """Serve until a signal comes; at a second one what is not answered yet is refused."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def told() -> None:
        if stop.is_set():
            loop.run_in_executor(None, _refuse_all, repository)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    await serve(repository, sockets, stop=stop, say=say, observers=observers)


async def serve(
    repository: Repository,
    sockets: Sockets,
    *,
    stop: asyncio.Event,
    say: Callable[[str], None],
    observers: Sequence[Observer] = (),
) -> None:
    """Serve on sockets until `stop`, then drain; the repository is not closed."""
    settings = fit_connections(repository.settings, open_now=psutil.Process().num_fds())
    servers = [HttpServer(create_app(repository, settings, observers=observers), sockets.http, settings)]
    if sockets.metrics is not None:
        scrapers = replace(settings, max_connections=min(MOST_SCRAPERS, settings.max_connections))
        servers.append(HttpServer(create_metrics_app(repository), sockets.metrics, scrapers))
    grpc = None if settings.grpc_port is None else await start_grpc(repository, settings, observers)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_drain, repository, servers, grpc)
        for server in servers:
            await server.start()
        watching = asyncio.create_task(watch_bundles(repository, settings.reload_s))
        stack.callback(watching.cancel)
        probing = asyncio.create_task(probe_models(repository))
        stack.callback(probing.cancel)
        for line in start_lines(
            repository, sockets, grpc=None if grpc is None else f"{in_url(settings.host)}:{grpc.port}"
        ):
            say(line)
        await stop.wait()


async def _drain(repository: Repository, servers: Sequence[HttpServer], grpc: GrpcServer | None) -> None:
    """Take nothing new; answer what was accepted as long as the settings allow, then refuse it."""
    repository.draining = True
    grace_s = repository.settings.drain_s
    stopping = [asyncio.create_task(server.stop()) for server in servers]
    if grpc is not None:
        stopping.append(asyncio.create_task(grpc.stop(grace_s + LAST_WORDS_S)))
    _, late = await asyncio.wait(stopping, timeout=grace_s)
    if late:
        _log.warning("not everything was answered within %g s: what is left is refused", grace_s)
        await asyncio.to_thread(_refuse_all, repository)
        await asyncio.wait(late, timeout=LAST_WORDS_S)
    for server in servers:
        server.end()
    await asyncio.wait(stopping)


def _refuse_all(repository: Repository) -> None:
    """Refuse what waits; what runs is answered."""
    repository.close(drain=False)
