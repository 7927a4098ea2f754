"""Connections of the load generator: as many as there are queries on their way, up to a bound."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from eerun.bench.server.connection import Answer, Connection
from eerun.bench.server.recorded import LOST

__all__ = ["Address", "ConnectionPool"]


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a server listens."""

    host: str
    port: int


class ConnectionPool:
    """Sends queries over idle connections, the one used last first; opens another where all are busy.

    Args:
        address: of the server.
        most: so many connections at most are open at once; queries wait for one beyond.
        done: told of each query's number and answer.
    """

    def __init__(self, address: Address, *, most: int, done: Callable[[int, Answer], None]) -> None:
        self._address, self._most, self._done = address, most, done
        self._idle: list[Connection] = []
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening = 0
        self._all: set[Connection] = set()
        self.opened = 0
        self.waited = 0
        self.on_sent: Callable[[int], None] = lambda _number: None

    def __len__(self) -> int:
        return len(self._all)

    async def prepare(self, count: int) -> None:
        """Open so many connections in advance, as far as they are allowed and the server takes them."""
        for _ in range(min(count, self._most) - len(self._all)):
            connection = await self._open()
            if connection is None:
                return
            self._idle.append(connection)

    def send(self, number: int, request: bytes) -> None:
        """Send a query now, or as soon as there is a connection for it."""
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                self.on_sent(number)
                connection.send(number, request)
                return
        self._waiting.append((number, request))
        if len(self._all) + self._opening < self._most:
            self._start_opening()
        elif self._opening < len(self._waiting):
            self.waited += 1

    def close(self) -> None:
        """Give up all connections; queries that were sent are lost, those that wait are dropped."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        for connection in list(self._all):
            connection.close()
        self._idle.clear()
        self._all.clear()

    def _start_opening(self) -> None:
        """It counts as opening from now until it is open, never as both: the bound must be exact."""
        self._opening += 1
        task = asyncio.get_running_loop().create_task(self._open_for_one())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open_for_one(self) -> None:
        """Open a connection for the query that waits longest; where the server refuses, that query is lost."""
        connection = await self._open()
        self._opening -= 1
        if connection is not None:
            self._use(connection)
        elif self._waiting:
            number, _request = self._waiting.popleft()
            self.on_sent(number)
            self._done(number, _lost())

    async def _open(self) -> Connection | None:
        """Return a new connection; None: the server does not take one."""
        loop = asyncio.get_running_loop()
        self.opened += 1
        try:
            _transport, connection = await loop.create_connection(
                lambda: Connection(self._answered, self._all.discard), self._address.host, self._address.port
            )
        except OSError:
            return None
        self._all.add(connection)
        return connection

    def _answered(self, connection: Connection, number: int, answer: Answer) -> None:
        """A connection is free again, or gone."""
        self._done(number, answer)
        if connection.open:
            self._use(connection)
        elif self._opening < len(self._waiting):
            self._start_opening()

    def _use(self, connection: Connection) -> None:
        """Send what waits, or keep the connection for later."""
        if self._waiting:
            number, request = self._waiting.popleft()
            self.on_sent(number)
            connection.send(number, request)
        else:
            self._idle.append(connection)


def _lost() -> Answer:
    answer = Answer()
    answer.status = LOST
    return answer
