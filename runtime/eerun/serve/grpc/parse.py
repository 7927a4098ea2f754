"""From the bytes of a message to the message."""

from typing import Any

from google.protobuf.message import DecodeError

from eerun.serve.errors import RequestError, TooLargeError

__all__ = ["parse", "parse_small"]

MOST_BYTES = 64 * 1024
"""Of a message that has no tensors; the same as over HTTP."""


def parse(kind: Any, content: bytes) -> Any:
    """Return the message of a class.

    Raises:
        RequestError: the bytes are none.
    """
    try:
        return kind.FromString(content)
    except DecodeError as error:
        problem = f"it is not a {kind.DESCRIPTOR.name}: {error}"
        raise RequestError("request", problem, "Send what the Open Inference Protocol v2 says") from None


def parse_small(kind: Any, content: bytes) -> Any:
    """Return the message of a class whose messages are small.

    Raises:
        TooLargeError: it is not.
        RequestError: see `parse`.
    """
    if len(content) > MOST_BYTES:
        problem = f"got {len(content)} bytes, expected at most {MOST_BYTES} of a {kind.DESCRIPTOR.name}"
        raise TooLargeError("request", problem, "Send less in it")
    return parse(kind, content)
