"""What a client is told when a request is not answered."""

from math import ceil

import msgspec

from eengines.errors import EEError, OverloadError
from eerun.serve.errors import FullError, SlowClientError, TooLargeError

__all__ = ["DEFECT", "Header", "error_body", "error_headers"]

Header = tuple[bytes, bytes]
JSON: Header = (b"content-type", b"application/json")
DEFECT = "the server failed; its log says why"
CLOSE: Header = (b"connection", b"close")


def error_body(message: str) -> bytes:
    """Return the protocol's error object."""
    return msgspec.json.encode({"error": message})


def error_headers(error: EEError | None) -> list[Header]:
    """Return the headers of an answer that tells an error, None: a defect; without its length."""
    headers = [JSON]
    if isinstance(error, OverloadError):
        headers.append((b"retry-after", str(max(ceil(error.retry_after_s), 1)).encode()))
    if isinstance(error, FullError | SlowClientError | TooLargeError):
        headers.append(CLOSE)
    return headers
