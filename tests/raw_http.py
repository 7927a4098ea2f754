"""HTTP by hand, for requests that no client library would send."""

import json
import socket
from dataclasses import dataclass, field

WAIT_S = 10


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Status, headers in lower case, and body of a response."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def error(self) -> str:
        return json.loads(self.body)["error"]


def connect(server) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def infer_head(length: int | None, *headers: str, model: str = "tiny") -> bytes:
    """The head of an inference request; `length` None: without Content-Length."""
    lines = [f"POST /v2/models/{model}/infer HTTP/1.1", "Host: test", *headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_reply(sock: socket.socket) -> Reply:
    """Read one response with a Content-Length; `ConnectionResetError`: the connection was closed before it began."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = sock.recv(65536)
        if not part and not received:
            raise ConnectionResetError
        assert part, f"closed after {received!r}"
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers["content-length"]):
        part = sock.recv(65536)
        assert part, "closed before the end of the body"
        body += part
    return Reply(status=int(first.split()[1]), headers=headers, body=body)


def ask(server, *parts: bytes) -> Reply:
    """Send bytes on a new connection and read the answer."""
    with connect(server) as sock:
        for part in parts:
            sock.sendall(part)
        return read_reply(sock)


def post(server, body: bytes, *headers: str, model: str = "tiny") -> Reply:
    return ask(server, infer_head(len(body), *headers, model=model) + body)


def get(server, path: str) -> Reply:
    return ask(server, f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())


def is_closed(sock: socket.socket) -> bool:
    """Whether the server closes the connection, rather than waiting for more."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True
