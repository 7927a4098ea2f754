"""One server with HTTP and gRPC, and tritonclient's client of each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
import tritonclient.grpc
import tritonclient.http
from served_on_a_thread import served_on_thread
from tritonclient.grpc import service_pb2_grpc
from tritonclient.utils import InferenceServerException

from eerun.serve.repository import Repository
from eerun.serve.settings import ServeSettings


@dataclass(frozen=True, kw_only=True)
class Both:
    """The clients, a stub for messages that tritonclient would not send, and what is served."""

    http: tritonclient.http.InferenceServerClient
    grpc: tritonclient.grpc.InferenceServerClient
    stub: service_pb2_grpc.GRPCInferenceServiceStub
    repository: Repository


@contextmanager
def both_on_thread(settings: ServeSettings, observers=()) -> Iterator[Both]:
    """Serve, with `grpc_port=0` in the settings."""
    with served_on_thread(settings, observers=observers) as server:
        url = server.lines[0].rpartition("gRPC ")[2]
        with (
            _http_client(server.address) as over_http,
            tritonclient.grpc.InferenceServerClient(url) as over_grpc,
            grpc.insecure_channel(url) as channel,
        ):
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            yield Both(http=over_http, grpc=over_grpc, stub=stub, repository=server.repository)


@contextmanager
def _http_client(address: str) -> Iterator[tritonclient.http.InferenceServerClient]:
    """A client that is closed once; left alone it does so again in any thread that forgets it, which gevent refuses."""
    with tritonclient.http.InferenceServerClient(address) as found:
        yield found
    found.close = lambda: None


def refusals(both: Both, ask: Callable[[Any], Any]) -> tuple[InferenceServerException, InferenceServerException]:
    """Return what HTTP and gRPC say to the same question, which both must refuse."""
    found = []
    for client in (both.http, both.grpc):
        with pytest.raises(InferenceServerException) as caught:
            ask(client)
        found.append(caught.value)
    return found[0], found[1]
