"""Clients that do wrong, and what a server may answer to each.

A fault sends to `fragile_bundle` what `Fault` is called after and returns what came back: the status of the answer,
`CLOSED` when the server closed the connection without one, `SILENT` when nothing happened for `WAIT_S`, `LEFT` when
the client itself went away.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from time import sleep
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.fragile_bundle import FEATURES, Fragile
from eerun.bench.server.connection_pool import Address
from eerun.bench.server.tensors_on_the_wire import encode_query, request_head

__all__ = ["CLOSED", "FAULTS", "LEFT", "SILENT", "Fault", "Victim"]

CLOSED, SILENT, LEFT = "closed", "silent", "left"
WAIT_S = 20.0
TRICKLE_S = 0.1
HUGE = 2**40


@dataclass(frozen=True, kw_only=True, eq=False)
class Victim:
    """The server and what is sent to it.

    Attributes:
        address: where it listens.
        model: name of the fragile bundle there.
        fragile: the bundle.
        max_bytes: its limit of a body.
    """

    address: Address
    model: str
    fragile: Fragile
    max_bytes: int

    def connect(self) -> socket.socket:
        """Return a new connection."""
        return socket.create_connection((self.address.host, self.address.port), timeout=WAIT_S)

    def head(self, header_length: object, body_length: object) -> bytes:
        """Request line and headers."""
        return (
            f"POST /v2/models/{self.model}/infer HTTP/1.1\r\nHost: test\r\n"
            f"Inference-Header-Content-Length: {header_length}\r\nContent-Length: {body_length}\r\n\r\n"
        ).encode()

    def good(self, x: NDArray[Any], parameters: dict[str, Any] | None = None) -> tuple[bytes, bytes]:
        """Head and body of a request that is right."""
        length, body = encode_query({"x": x}, ())
        if parameters:
            text = msgspec.json.encode({**msgspec.json.decode(body[:length]), "parameters": parameters})
            length, body = len(text), text + body[length:]
        head = request_head(
            host=self.address.host,
            port=self.address.port,
            model=self.model,
            header_length=length,
            body_length=len(body),
        )
        return head, body

    def ask(self, *parts: bytes) -> str:
        """Send and wait for what comes."""
        with self.connect() as found:
            try:
                for part in parts:
                    found.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the answer may have come before the end of the request
            return outcome(found)


def outcome(connection: socket.socket) -> str:
    """What comes back on a connection."""
    received = b""
    try:
        while b"\r\n" not in received:
            part = connection.recv(65536)
            if not part:
                return CLOSED
            received += part
    except TimeoutError:
        return SILENT
    except ConnectionResetError:
        return CLOSED
    return received.split(b" ", 2)[1].decode("latin-1")


def _tensor(shape: list[int], size: int) -> bytes:
    return msgspec.json.encode(
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": shape, "parameters": {"binary_data_size": size}}]}
    )


def random_body(victim: Victim, random: np.random.Generator) -> str:
    """Random bytes where the request should be."""
    body = random.bytes(int(random.integers(1, 5000)))
    return victim.ask(victim.head(int(random.integers(1, len(body) + 1)), len(body)), body)


def random_connection(victim: Victim, random: np.random.Generator) -> str:
    """Random bytes in place of HTTP."""
    return victim.ask(random.bytes(int(random.integers(1, 3000))) + b"\r\n\r\n")


def truncated_json(victim: Victim, random: np.random.Generator) -> str:
    """The JSON part ends in the middle, and so does the body."""
    length, body = encode_query({"x": victim.fragile.x[:1]}, ())
    cut = int(random.integers(1, length - 1))
    return victim.ask(victim.head(cut, cut), body[:cut])


def wrong_header_length(victim: Victim, random: np.random.Generator) -> str:
    """The header lies about the length of the JSON part."""
    length, body = encode_query({"x": victim.fragile.x[:1]}, ())
    lies = [length - 1, length + 1, len(body) + 1, 0, -1, HUGE, "many", ""]
    return victim.ask(victim.head(lies[int(random.integers(len(lies)))], len(body)), body)


def lying_size(victim: Victim, random: np.random.Generator) -> str:
    """`binary_data_size` is not what follows, or not what the shape needs."""
    size = 4 * FEATURES
    lies = [size - 4, size + 4, 0, -size, HUGE]
    text = _tensor([1, FEATURES], lies[int(random.integers(len(lies)))])
    return victim.ask(victim.head(len(text), len(text) + size), text, bytes(size))


def huge_shape(victim: Victim, random: np.random.Generator) -> str:
    """A shape of more elements than any memory holds; the bytes are few."""
    shapes = [[HUGE, FEATURES], [1, HUGE], [2**31, 2**31], [2**62, FEATURES], [-1, FEATURES]]
    text = _tensor(shapes[int(random.integers(len(shapes)))], 4 * FEATURES)
    return victim.ask(victim.head(len(text), len(text) + 4 * FEATURES), text, bytes(4 * FEATURES))


def oversized(victim: Victim, random: np.random.Generator) -> str:
    """A tensor larger than the limit, which is sent as far as the server takes it."""
    size = victim.max_bytes + int(random.integers(1, 1000))
    return victim.ask(victim.head(10, size), b"x" * size)


def oversized_chunks(victim: Victim, random: np.random.Generator) -> str:
    """The same in chunks, without a length."""
    chunk = int(random.integers(10_000, 60_000))
    head = f"POST /v2/models/{victim.model}/infer HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = [f"{chunk:x}\r\n".encode() + b"x" * chunk + b"\r\n"] * (victim.max_bytes // chunk + 2)
    return victim.ask(head.encode(), *chunks, b"0\r\n\r\n")


def not_finite(victim: Victim, random: np.random.Generator) -> str:
    """NaN or an infinity among the numbers."""
    x = victim.fragile.x[: int(random.integers(1, 9))].copy()
    x.flat[int(random.integers(x.size))] = random.choice([np.nan, np.inf, -np.inf])
    return victim.ask(*victim.good(x))


def vanish_in_body(victim: Victim, random: np.random.Generator) -> str:
    """The client goes away in the middle of its request."""
    head, body = victim.good(victim.fragile.x[:8])
    with victim.connect() as found:
        found.sendall(head + body[: int(random.integers(len(body)))])
    return LEFT


def vanish_before_answer(victim: Victim, random: np.random.Generator) -> str:
    """The client goes away when its request is complete."""
    with victim.connect() as found:
        found.sendall(b"".join(victim.good(victim.fragile.x[: int(random.integers(1, 9))])))
    return LEFT


def trickle(victim: Victim, random: np.random.Generator) -> str:
    """A byte now and then, for as long as the server has patience."""
    head, body = victim.good(victim.fragile.x[:1])
    sent = head + body[: int(random.integers(len(body)))]
    with victim.connect() as found:
        found.settimeout(TRICKLE_S)
        try:
            for place in range(min(len(sent), int(WAIT_S / TRICKLE_S))):
                found.sendall(sent[place : place + 1])
                if (came := outcome(found)) != SILENT:
                    return came
                sleep(TRICKLE_S / 10)
        except (BrokenPipeError, ConnectionResetError):
            return CLOSED
        found.settimeout(WAIT_S)
        return outcome(found)


def poison(victim: Victim, random: np.random.Generator) -> str:
    """A sample that makes the engine raise, among good ones."""
    x = victim.fragile.x[: int(random.integers(1, 8))]
    return victim.ask(*victim.good(np.concatenate([x, victim.fragile.poison])))


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What a client does wrong.

    Attributes:
        commit: does it and returns what came.
        allowed: what may come.
    """

    commit: Callable[[Victim, np.random.Generator], str]
    allowed: frozenset[str]


FAULTS = {
    function.__name__: Fault(commit=function, allowed=frozenset(allowed))
    for function, allowed in (
        (random_body, {"400"}),
        (random_connection, {"400", CLOSED}),
        (truncated_json, {"400"}),
        (wrong_header_length, {"400"}),
        (lying_size, {"400"}),
        (huge_shape, {"400"}),
        (oversized, {"413"}),
        (oversized_chunks, {"413"}),
        (not_finite, {"400"}),
        (vanish_in_body, {LEFT}),
        (vanish_before_answer, {LEFT}),
        (trickle, {"408", CLOSED}),
        (poison, {"503"}),
    )
}
