"""A request and what became of it, for logs and spans."""

from collections.abc import Callable, Mapping

import msgspec

from eerun.serve.oip.requests import InferRequest, InferResponse

__all__ = ["Exchange", "Observer"]


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One inference request over the network.

    Attributes:
        transport: `rest` or `grpc`.
        model: name that was asked for, which may not exist.
        request: None: it could not be read.
        response: None: it was not answered.
        error: why it was not; None: it was answered, or the client has gone.
        headers: of the request, lower case, such as `traceparent`; of gRPC its metadata.
        accepted_ns: `perf_counter_ns` when its head was read.
        ended_ns: `perf_counter_ns` when the answer was ready to be sent.
    """

    transport: str
    model: str
    request: InferRequest | None
    response: InferResponse | None
    error: Exception | None
    headers: Mapping[str, str]
    accepted_ns: int
    ended_ns: int


Observer = Callable[[Exchange], None]
"""Told of each request when its answer is ready; it runs on the server's loop, returns at once and does not raise."""
