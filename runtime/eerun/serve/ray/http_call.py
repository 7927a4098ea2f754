"""An HTTP request and its answer as values, and an ASGI application that is called with them."""

import asyncio
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp

__all__ = ["HttpAnswer", "HttpCall", "call_app"]

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, kw_only=True)
class HttpCall:
    """A request with its whole body.

    Attributes:
        method: such as `POST`.
        path: percent-encoded, from the application's root.
        query: what is behind `?`.
        headers: names in lower case.
        body: all of it.
    """

    method: str
    path: str
    query: bytes
    headers: Headers
    body: bytes


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """An answer with its whole body; see `HttpCall`."""

    status: int
    headers: Headers
    body: bytes


async def call_app(app: ASGIApp, call: HttpCall) -> HttpAnswer:
    """Let an application answer a request."""
    status, headers, parts, asked = 500, Headers(), list[bytes](), False

    async def receive() -> MutableMapping[str, Any]:
        nonlocal asked
        if asked:  # a client that goes away cancels the whole call instead
            await asyncio.get_running_loop().create_future()
        asked = True
        return {"type": "http.request", "body": call.body, "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], tuple((name, value) for name, value in message["headers"])
        else:
            parts.append(message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": call.method,
        "path": unquote(call.path),
        "raw_path": call.path.encode(),
        "root_path": "",
        "query_string": call.query,
        "headers": list(call.headers),
        "client": None,
        "server": None,
    }
    await app(scope, receive, send)
    return HttpAnswer(status=status, headers=headers, body=b"".join(parts))
