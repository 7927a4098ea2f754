"""The load generator in a process of its own, so that neither the server nor the command line takes its time."""

import asyncio
import gc
import multiprocessing
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from eengines.errors import EngineError
from eerun.bench.server.connection_pool import Address
from eerun.bench.server.open_loop import Load, drive
from eerun.bench.server.precise_selector import PreciseSelector
from eerun.bench.server.recorded import Recorded
from eerun.bench.server.schedule import Schedule

__all__ = ["LoadGenerator"]


class LoadGenerator:
    """A child process that runs one block after the other.

    Args:
        queries: bodies of the queries, which it gets once.
        connections: the most that are open at once.
        patience_s: how long it waits for answers behind the last query of a block, in seconds.
    """

    def __init__(self, queries: tuple[bytes, ...], *, connections: int, patience_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, connections, patience_s), name="eerun-load-generator", daemon=True
        )
        self._process.start()
        theirs.close()
        self._ask(queries)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(1.0)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    @property
    def pid(self) -> int | None:
        """Its process."""
        return self._process.pid

    def run(self, address: Address, head: bytes, schedule: Schedule) -> Recorded:
        """Run one block.

        Args:
            address: where the server listens.
            head: request line and headers of every query.
            schedule: when to send which query.

        Raises:
            EngineError: the process ended.
        """
        recorded = self._ask((address, head, schedule))
        assert isinstance(recorded, Recorded)  # noqa: S101 - what `_work` sends
        return recorded

    def _ask(self, message: object) -> object:
        try:
            self._pipe.send(message)
            return self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            self._process.join()
            problem = f"its process ended with {self._process.exitcode}, expected an answer"
            raise EngineError("load generator", problem, "Look at what it wrote to stderr") from error


def _work(pipe: Connection, connections: int, patience_s: float) -> None:
    """The child: one order after the other, until the pipe is closed."""
    try:
        queries: tuple[bytes, ...] = pipe.recv()
        pipe.send(len(queries))
        gc.freeze()
        while True:
            address, head, schedule = pipe.recv()
            load = Load(
                address=address,
                head=head,
                queries=queries,
                schedule=schedule,
                connections=connections,
                patience_s=patience_s,
            )
            with asyncio.Runner(loop_factory=_precise_loop) as runner:
                recorded = runner.run(drive(load))
            pipe.send(recorded)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


def _precise_loop() -> Any:
    return asyncio.SelectorEventLoop(PreciseSelector())
