"""Errors as gRPC's status codes."""

from math import ceil
from typing import NamedTuple

import grpc

from eengines.errors import DeadlineError, EEError, OverloadError, RefusedError, UserError
from eerun.serve.errors import TooLargeError, UnknownModelError

__all__ = ["RETRY_AFTER", "Refusal", "refusal_of"]

RETRY_AFTER = "retry-after-ms"
"""Key of the trailing metadata that says when an overloaded server may be asked again."""

CODES: tuple[tuple[type[EEError], grpc.StatusCode], ...] = (
    (UnknownModelError, grpc.StatusCode.NOT_FOUND),
    (TooLargeError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (UserError, grpc.StatusCode.INVALID_ARGUMENT),
    (DeadlineError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (RefusedError, grpc.StatusCode.UNAVAILABLE),
)
"""The first class that fits; `INTERNAL` for all others."""


class Refusal(NamedTuple):
    """How an error is told: code, words, and trailing metadata."""

    code: grpc.StatusCode
    details: str
    trailing: tuple[tuple[str, str], ...]


def refusal_of(error: EEError) -> Refusal:
    """Return how a client is told of an error."""
    code = next((code for kind, code in CODES if isinstance(error, kind)), grpc.StatusCode.INTERNAL)
    trailing: tuple[tuple[str, str], ...] = ()
    if isinstance(error, OverloadError):
        trailing = ((RETRY_AFTER, str(ceil(error.retry_after_s * 1000))),)
    return Refusal(code, str(error), trailing)
