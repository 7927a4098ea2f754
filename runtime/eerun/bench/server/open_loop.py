"""Send queries on schedule, whatever the server does, and write down what comes back."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter_ns, process_time_ns

import numpy as np

from eerun.bench.server.connection import Answer
from eerun.bench.server.connection_pool import Address, ConnectionPool
from eerun.bench.server.recorded import UNANSWERED, Recorded
from eerun.bench.server.schedule import Schedule

__all__ = ["Load", "drive"]

PREPARED = 16
"""Connections that are open before the first query."""

LEAD_S = 0.02
"""From the order to start until the first query may be due."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Load:
    """What to send to whom.

    Attributes:
        address: the server's.
        head: request line and headers, which all queries share.
        queries: their bodies.
        schedule: when to send which.
        connections: the most that are open at once.
        patience_s: how long to wait for answers behind the last query, in seconds.
    """

    address: Address
    head: bytes
    queries: tuple[bytes, ...]
    schedule: Schedule
    connections: int
    patience_s: float


async def drive(load: Load) -> Recorded:
    """Run one block: send every query on schedule, wait for the answers, and return what counts."""
    return await _OpenLoop(load).run()


class _OpenLoop:
    """A block while it runs; its arrays hold a row for each query, those that warm up among them."""

    def __init__(self, load: Load) -> None:
        self._load, self._schedule = load, load.schedule
        count = len(load.schedule)
        self._due_ns = load.schedule.due_ns.tolist()
        self._query = load.schedule.query.tolist()
        self._sent_ns = [-1] * count
        self._done_ns = [-1] * count
        self._status = [UNANSWERED] * count
        self._bodies = [b""] * count
        self._header_lengths = [0] * count
        self._next, self._missing = 0, count
        self._start_ns, self._start_s = 0, 0.0
        self._all_done = asyncio.Event()
        self._pool = ConnectionPool(load.address, most=load.connections, done=self._answered)
        self._pool.on_sent = self._sent

    async def run(self) -> Recorded:
        """See `drive`."""
        await self._pool.prepare(PREPARED)
        cpu_ns, opened = process_time_ns(), self._pool.opened
        loop = asyncio.get_running_loop()
        self._start_s = loop.time() + LEAD_S
        self._start_ns = perf_counter_ns() + int(LEAD_S * 1e9)
        loop.call_at(self._start_s + self._due_ns[0] / 1e9, self._tick)
        last_s = LEAD_S + self._due_ns[-1] / 1e9
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_done.wait(), last_s + self._load.patience_s)
        recorded = self._recorded(process_time_ns() - cpu_ns, self._pool.opened - opened)
        self._pool.close()
        return recorded

    def _tick(self) -> None:
        """Send all that is due, and come back when the next is."""
        now_ns, due_ns, count = perf_counter_ns() - self._start_ns, self._due_ns, len(self._due_ns)
        while self._next < count and due_ns[self._next] <= now_ns:
            number = self._next
            self._next += 1
            self._pool.send(number, self._load.head + self._load.queries[self._query[number]])
        if self._next < count:
            loop = asyncio.get_running_loop()
            loop.call_at(self._start_s + due_ns[self._next] / 1e9, self._tick)

    def _sent(self, number: int) -> None:
        self._sent_ns[number] = perf_counter_ns() - self._start_ns

    def _answered(self, number: int, answer: Answer) -> None:
        self._done_ns[number] = perf_counter_ns() - self._start_ns
        self._status[number] = answer.status
        if answer.status == 200:
            self._bodies[number] = answer.body
            self._header_lengths[number] = answer.header_length
        self._missing -= 1
        if self._missing == 0:
            self._all_done.set()

    def _recorded(self, cpu_ns: int, opened: int) -> Recorded:
        """What counts. The rest ends now."""
        now_ns, warm, schedule = perf_counter_ns() - self._start_ns, self._schedule.warm, self._schedule
        sent, done = (
            np.array([now_ns if time < 0 else time for time in times[warm:]], np.int64)
            for times in (self._sent_ns, self._done_ns)
        )
        return Recorded(
            due_ns=schedule.due_ns[warm:],
            sent_ns=sent,
            done_ns=done,
            status=np.array(self._status[warm:], np.int16),
            query=schedule.query[warm:],
            bodies=tuple(self._bodies[warm:]),
            header_lengths=np.array(self._header_lengths[warm:], np.int64),
            start_ns=schedule.start_ns,
            length_ns=schedule.length_ns,
            waited=self._pool.waited,
            connections=len(self._pool),
            opened=opened,
            cpu_ns=cpu_ns,
            all_queries=len(schedule),
        )
