"""A bare application that answers every request with its own body: what a server costs before it does anything.

Run as a program it serves at a free port, and says at which: `python benchmarks/echo_app.py`.
"""

import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

__all__ = ["echo"]

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer an HTTP request over ASGI."""
    assert scope["type"] == "http", scope["type"]
    message = await receive()
    body = message["body"]
    while message.get("more_body", False):
        message = await receive()
        body += message["body"]
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until a signal comes.

    The socket says that it is TCP: only on such ones does asyncio send small packets at once (TCP_NODELAY); on others
    head and body of an answer arrive 40 ms apart.
    """
    config = uvicorn.Config(
        echo, http="httptools", loop="asyncio", ws="none", lifespan="off", access_log=False, log_level="warning"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
