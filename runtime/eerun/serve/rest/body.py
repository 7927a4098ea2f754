"""Read the body of a request: no more bytes than the server takes, no longer than it waits."""

import asyncio
import zlib
from collections.abc import Mapping
from contextlib import suppress

from starlette.types import Receive

from eerun.serve.body_budget import BodyShare
from eerun.serve.errors import RequestError, SlowClientError, TooLargeError

__all__ = ["ARRIVED", "ClientGoneError", "read_body", "unpack"]

ARRIVED = "eerun.body_arrived"
"""Set in `state` of a request's scope when all of its body is here, so that nobody needs to watch the time."""
DISCARD_S = 1.0
GZIP_OR_ZLIB = 47
"""`wbits` of zlib: the format is told by its first bytes."""


class ClientGoneError(asyncio.CancelledError):
    """The client closed the connection: what is done for it is cancelled."""


async def read_body(
    headers: Mapping[bytes, bytes],
    receive: Receive,
    *,
    most: int,
    timeout_s: float | None,
    share: BodyShare | None = None,
) -> bytes:
    """Return the body as it was sent.

    Args:
        headers: of the request, lower case.
        receive: gives the parts of the body.
        most: bytes that are taken.
        timeout_s: seconds in which all of it must come; None: it is there.
        share: of the bytes that the server holds, which the parts take as they come; None: nobody counts them.

    Raises:
        FullError: the server holds too many bytes.
        TooLargeError: it is larger; what still comes was thrown away for a moment, so that the client reads the answer.
        SlowClientError: it did not come in time.
        ClientGoneError: the client has gone.
    """
    length = headers.get(b"content-length", b"")
    if length.isdigit() and (len(length) > 18 or int(length) > most):
        if b"expect" not in headers:
            await _discard(receive)
        raise _too_large(f"{length[:20].decode()} bytes", most)
    try:
        if timeout_s is None:
            body = await _read_parts(receive, most, share)
        else:
            async with asyncio.timeout(timeout_s):
                body = await _read_parts(receive, most, share)
    except TimeoutError:
        problem = f"the request did not arrive within {timeout_s:g} s"
        raise SlowClientError("body", problem, "Send it faster, or allow more with --request-timeout-s") from None
    if body is None:
        await _discard(receive)
    if body is None or len(body) > most:
        raise _too_large(f"more than {most} bytes", most)
    return body


async def _read_parts(receive: Receive, most: int, share: BodyShare | None) -> bytes | None:
    """The parts of a body, joined; None: they are too many, and more may follow."""
    parts, size = list[bytes](), 0
    while (message := await receive())["type"] == "http.request":
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if share is not None:
            share.take(len(part))
        if not message.get("more_body", False):
            return part if len(parts) == 1 else b"".join(parts)
        if size > most:
            return None
    raise ClientGoneError


async def _discard(receive: Receive) -> None:
    """Throw away what comes for a moment: a connection that is closed under the client's writes loses the answer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_S):
            while (await receive()).get("more_body", False):
                pass


def unpack(body: bytes, encoding: bytes, *, most: int) -> bytes:
    """Return a body without its `Content-Encoding`.

    Raises:
        RequestError: an unknown encoding, or data that are damaged.
        TooLargeError: it has more than `most` bytes.
    """
    name = encoding.strip().lower()
    if name in (b"", b"identity"):
        return body
    if name not in (b"gzip", b"x-gzip", b"deflate"):
        problem = f"got {name[:32].decode('latin-1')!r}, expected gzip or deflate"
        raise RequestError("header Content-Encoding", problem, "Send the body as it is")
    unpacker = zlib.decompressobj(GZIP_OR_ZLIB)
    try:
        content = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise RequestError("body", f"it cannot be unpacked: {error}", "Pack it with gzip or zlib") from error
    if len(content) > most:
        raise _too_large(f"more than {most} bytes when unpacked", most)
    if not unpacker.eof or unpacker.unused_data:
        raise RequestError("body", "its packed data end early, or others follow", "Pack it with gzip or zlib")
    return content


def _too_large(problem: str, most: int) -> TooLargeError:
    return TooLargeError("body", f"got {problem}, expected at most {most}", "Send fewer samples at a time")
