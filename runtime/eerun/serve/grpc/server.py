"""The gRPC server, on the event loop that it is started on."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc

from eengines.errors import EEError, UserError
from eerun.serve.exchange import Observer
from eerun.serve.exchanges import Exchanges
from eerun.serve.grpc.arrival import Arrived, Messages
from eerun.serve.grpc.health import Health
from eerun.serve.grpc.message_table import HEALTH, INFERENCE, METHODS
from eerun.serve.grpc.messages import message
from eerun.serve.grpc.parse import parse_small
from eerun.serve.grpc.service import Service
from eerun.serve.grpc.status import refusal_of
from eerun.serve.repository import Repository
from eerun.serve.settings import ServeSettings

__all__ = ["GrpcServer", "start_grpc"]

Method = Callable[[Arrived, "grpc.aio.ServicerContext"], Awaitable[Any]]

INFER = "ModelInfer"
"""Its messages are large, and it parses them itself."""
MAX_HEADER_BYTES = 16 * 1024
KEEPALIVE_TIMEOUT_S = 20.0
"""How long a client has to answer a ping, before its connection counts as lost."""
MAX_CONNECTION_AGE_S = 3600.0
"""After so long a connection ends when its calls are answered; clients open another by themselves."""
MS_PER_S, MOST_MS = 1000, 2**31 - 1


class GrpcServer:
    """A server that runs.

    Attributes:
        port: where it listens.

    Args:
        server: gRPC's own.
        port: where it listens.
        messages: of its calls.
    """

    def __init__(self, server: "grpc.aio.Server", port: int, messages: Messages) -> None:
        self._server, self.port, self._messages = server, port, messages

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, let those that have sent their message end, cancel what is left after `grace_s`."""
        self._messages.end()
        await self._server.stop(grace_s)


async def start_grpc(repository: Repository, settings: ServeSettings, observers: Sequence[Observer] = ()) -> GrpcServer:
    """Listen at the port of the settings, and answer from now on.

    Args:
        repository: the models.
        settings: address and limits.
        observers: are told of each inference request; see `Observer`.

    Raises:
        UserError: the settings have no port for gRPC, or it is taken.
    """
    if settings.grpc_port is None:
        raise UserError("grpc_port", "none is given", "Give a port, or 0 for a free one")
    server = grpc.aio.server(options=_options(settings), maximum_concurrent_rpcs=settings.max_connections)
    messages = Messages(settings.request_timeout_s)
    service = Service(repository, Exchanges("grpc", repository, observers))
    methods = {name: _parsed(getattr(service, _snake(name)), message(f"{name}Request")) for name in METHODS}
    check = _parsed(Health(repository).check, message("HealthCheckRequest", HEALTH))
    server.add_generic_rpc_handlers(
        (
            _handlers(
                f"{INFERENCE}.GRPCInferenceService", INFERENCE, {**methods, INFER: service.model_infer}, messages
            ),
            _handlers(f"{HEALTH}.Health", HEALTH, {"Check": check}, messages, prefix="Health"),
        )
    )
    address = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        port = server.add_insecure_port(f"{address}:{settings.grpc_port}")
    except RuntimeError as error:
        problem = f"cannot listen at {settings.host}, port {settings.grpc_port}: {error}"
        raise UserError("grpc_port", problem, "Give another port, or 0 for a free one") from error
    await server.start()
    return GrpcServer(server, port, messages)


def _options(settings: ServeSettings) -> list[tuple[str, int]]:
    """Limits, as gRPC calls them."""
    return [
        ("grpc.max_receive_message_length", settings.max_request_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", MAX_HEADER_BYTES),
        ("grpc.so_reuseport", 0),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        ("grpc.max_concurrent_streams", settings.max_connections),
        ("grpc.keepalive_time_ms", _ms(settings.keep_alive_s)),
        ("grpc.keepalive_timeout_ms", _ms(KEEPALIVE_TIMEOUT_S)),
        ("grpc.max_connection_idle_ms", _ms(settings.keep_alive_s)),
        ("grpc.max_connection_age_ms", _ms(MAX_CONNECTION_AGE_S)),
        ("grpc.max_connection_age_grace_ms", _ms(settings.request_timeout_s + settings.drain_s)),
    ]


def _ms(seconds: float) -> int:
    return min(int(seconds * MS_PER_S), MOST_MS)


def _handlers(service: str, package: str, methods: dict[str, Method], messages: Messages, prefix: str = "") -> Any:
    """The handlers of a service, whose answers are `NameResponse`; requests come to them as bytes."""
    return grpc.method_handlers_generic_handler(
        service,
        {
            name: grpc.stream_unary_rpc_method_handler(  # as a client sees it, the same as unary: it begins earlier
                _told(method, messages),
                response_serializer=message(f"{prefix}{name}Response", package).SerializeToString,
            )
            for name, method in methods.items()
        },
    )


def _parsed(method: Callable[..., Awaitable[Any]], kind: Any) -> Method:
    """A method that takes a message, which is a small one, of the bytes that arrived."""

    async def parsed(arrived: Arrived, context: "grpc.aio.ServicerContext") -> Any:
        return await method(parse_small(kind, arrived.take()), context)

    return parsed


def _told(method: Method, messages: Messages) -> Callable[[Any, "grpc.aio.ServicerContext"], Awaitable[Any]]:
    """The method as gRPC calls it; errors of this project become status codes."""

    async def told(_: Any, context: "grpc.aio.ServicerContext") -> Any:
        try:
            return await method(await messages.read(context), context)
        except EEError as error:
            code, details, trailing = refusal_of(error)
            await context.abort(code, details, trailing)

    return told


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
