"""What logs and spans say of an exchange."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eerun.serve.exchange import Exchange

__all__ = ["CANCELED", "Seen", "seen_of"]

LONGEST_ID, LONGEST_NAME = 128, 64
CANCELED = "canceled"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request that was answered or not.

    Attributes:
        transport: `rest` or `grpc`.
        model: that was asked for, which need not exist.
        version: that answered; empty: none did.
        request_id: the protocol's `id`, or header `X-Request-ID`, or the trace id of `traceparent`; empty: none.
        samples: how many were answered.
        exit_count: of them at each exit, by its number; exits where nobody left are not in it.
        queue_ns: nanoseconds until the first sample ran.
        compute_ns: nanoseconds from there to the last answer.
        duration_ns: nanoseconds from the head of the request to its answer.
        reason: class of the error, or `CANCELED`; empty: it was answered.
        words: the error's message; empty likewise.
    """

    transport: str
    model: str
    version: str
    request_id: str
    samples: int
    exit_count: Mapping[str, int]
    queue_ns: int
    compute_ns: int
    duration_ns: int
    reason: str
    words: str


def seen_of(exchange: Exchange) -> Seen:
    """Return what there is to say of an exchange."""
    response, error = exchange.response, exchange.error
    result = None if response is None else response.result
    reason, words = "", ""
    if error is not None:
        reason, words = type(error).__name__, str(error)
    elif response is None:
        reason, words = CANCELED, "nobody waits for the answer any more"
    return Seen(
        transport=exchange.transport,
        model=exchange.model[:LONGEST_NAME],
        version="" if response is None else response.version,
        request_id=_request_id(exchange),
        samples=0 if result is None else len(result.exit_index),
        exit_count={} if result is None else _by_exit(np.bincount(result.exit_index).tolist()),
        queue_ns=0 if result is None else result.queue_ns,
        compute_ns=0 if result is None else result.compute_ns,
        duration_ns=exchange.ended_ns - exchange.accepted_ns,
        reason=reason,
        words=words,
    )


def _by_exit(counts: list[int]) -> dict[str, int]:
    return {str(index): count for index, count in enumerate(counts) if count}


def _request_id(exchange: Exchange) -> str:
    own = "" if exchange.request is None else exchange.request.id
    found = own or exchange.headers.get("x-request-id", "")
    if not found:
        parts = exchange.headers.get("traceparent", "").split("-")
        found = parts[1] if len(parts) == 4 else ""
    return found[:LONGEST_ID]
