"""A small server of the Open Inference Protocol for tests of the load generator: it can be slow, refuse or hang up."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from eerun.bench.server.connection_pool import Address

__all__ = ["Behaviour", "SmallServer", "small_server"]

ANSWER = {
    "outputs": [
        {"name": "label", "datatype": "INT64", "shape": [1], "data": [3]},
        {"name": "exit_index", "datatype": "INT32", "shape": [1], "data": [1]},
    ]
}
METADATA = {
    "name": "net",
    "platform": "test",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 24]}],
    "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, 4]}],
}


@dataclass
class Behaviour:
    """What the server does with the nth inference request.

    Attributes:
        status: HTTP status, by number; 0: it hangs up instead; None: it never answers.
        delay_s: seconds before it answers, by number.
        close: whether it closes the connection behind each answer.
        together: it answers nobody before so many requests are there.
    """

    status: Callable[[int], int | None] = lambda _number: 200
    delay_s: Callable[[int], float] = lambda _number: 0.0
    close: bool = False
    together: int = 0


@dataclass
class SmallServer:
    """A server while it runs."""

    behaviour: Behaviour
    address: Address = field(init=False)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        lengths = [int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:")]
        body = await reader.readexactly(lengths[0] if lengths else 0)
        path = head.split()[1]
        if not path.endswith("/infer"):
            known = {
                "/v2/models/net": METADATA,
                "/v2/models/my%20net%2f1": {**METADATA, "name": "my net/1"},
                "/v2/repository/index": [{"name": "net"}],
            }
            self._write(writer, 200 if path in known else 404, known.get(path, {"error": "unknown"}))
            return True
        number = len(self.bodies)
        self.bodies.append(body)
        while len(self.bodies) < self.behaviour.together:
            await asyncio.sleep(0.005)
        await asyncio.sleep(self.behaviour.delay_s(number))
        status = self.behaviour.status(number)
        if status is None:
            await asyncio.sleep(60)
        if not status:
            return False
        self._write(writer, status, ANSWER if status == 200 else {"error": "no"})
        return not self.behaviour.close

    def _write(self, writer: asyncio.StreamWriter, status: int, answer: object) -> None:
        text = json.dumps(answer).encode()
        close = "Connection: close\r\n" if self.behaviour.close else ""
        writer.write(f"HTTP/1.1 {status} words\r\n{close}Content-Length: {len(text)}\r\n\r\n".encode() + text)


@contextmanager
def small_server(behaviour: Behaviour | None = None) -> Iterator[SmallServer]:
    """Run a server in a thread."""
    server, ready, stop = SmallServer(behaviour or Behaviour()), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.address = Address(host="127.0.0.1", port=listening.sockets[0].getsockname()[1])
        ready.set()
        await stop.wait()
        listening.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
