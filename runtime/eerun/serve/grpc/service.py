"""The methods of `inference.GRPCInferenceService`; each takes a request's message and returns that of its answer."""

import asyncio
from typing import Any, NoReturn

import grpc

from eerun.serve.errors import RequestError, TooLargeError, UnknownModelError
from eerun.serve.exchanges import Exchanges
from eerun.serve.grpc.arrival import Arrived
from eerun.serve.grpc.convert import read_request, write_response
from eerun.serve.grpc.messages import message
from eerun.serve.grpc.outline import check_numbers, outline_of_bytes, outline_of_message
from eerun.serve.grpc.parse import parse
from eerun.serve.oip.answer import answer
from eerun.serve.oip.configuration import model_configuration
from eerun.serve.oip.declared import check_declared
from eerun.serve.oip.index import repository_index
from eerun.serve.oip.loads import load, refuse_unload
from eerun.serve.oip.metadata import model_metadata, server_metadata
from eerun.serve.oip.requests import InferRequest
from eerun.serve.oip.statistics import model_statistics
from eerun.serve.repository import Repository, Served

__all__ = ["Service"]

_Infer = message("ModelInferRequest")
OUTLINED = 64 * 1024
"""Bytes of a message from which on its outline is checked before protobuf sees it, and a thread reads it."""
READ_AT_ONCE = 1
"""Large messages; each takes several times its bytes while it is read, and Python's lock now and then."""


class Service:
    """Answers from a repository.

    Args:
        repository: the models.
        exchanges: hear of inference requests.
    """

    def __init__(self, repository: Repository, exchanges: Exchanges) -> None:
        self._repository, self._exchanges = repository, exchanges
        self._turns = asyncio.Semaphore(READ_AT_ONCE)

    async def server_live(self, _sent: Any, _context: "grpc.aio.ServicerContext") -> Any:
        """Say that the process answers."""
        return message("ServerLiveResponse")(live=True)

    async def server_ready(self, _sent: Any, _context: "grpc.aio.ServicerContext") -> Any:
        """Say whether requests are taken."""
        return message("ServerReadyResponse")(ready=self._repository.ready())

    async def model_ready(self, sent: Any, _context: "grpc.aio.ServicerContext") -> Any:
        """Say whether a model takes requests; one that is not there does not."""
        try:
            served = self._get(sent)
        except UnknownModelError:
            return message("ModelReadyResponse")(ready=False)
        return message("ModelReadyResponse")(ready=self._repository.answers(served))

    async def server_metadata(self, _sent: Any, _context: "grpc.aio.ServicerContext") -> Any:
        """Say who answers."""
        return message("ServerMetadataResponse")(**server_metadata())

    async def model_metadata(self, sent: Any, _context: "grpc.aio.ServicerContext") -> Any:
        """Describe a model's tensors."""
        return message("ModelMetadataResponse")(**model_metadata(self._get(sent)))

    async def model_config(self, sent: Any, _context: "grpc.aio.ServicerContext") -> Any:
        """Describe a model as Triton does."""
        return message("ModelConfigResponse")(config=model_configuration(self._get(sent)))

    async def model_statistics(self, sent: Any, _context: "grpc.aio.ServicerContext") -> Any:
        """Say what a model has done, or all of them."""
        names = [sent.name] if sent.name else self._repository.names()
        served = [self._repository.get(name, sent.version or None) for name in names]
        return message("ModelStatisticsResponse")(model_stats=[model_statistics(each) for each in served])

    async def repository_index(self, sent: Any, _context: "grpc.aio.ServicerContext") -> Any:
        """List the models; see `eerun.serve.oip.index`."""
        _check_named(sent.repository_name)
        return message("RepositoryIndexResponse")(models=repository_index(self._repository, only_ready=sent.ready))

    async def repository_model_load(self, sent: Any, _context: "grpc.aio.ServicerContext") -> Any:
        """Take the bundle that lies in the model's folder now, if it is another one."""
        _check_named(sent.repository_name)
        await load(self._repository, sent.model_name, tuple(sent.parameters))
        return message("RepositoryModelLoadResponse")()

    async def repository_model_unload(self, sent: Any, _context: "grpc.aio.ServicerContext") -> NoReturn:
        """Say that models are not unloaded."""
        _check_named(sent.repository_name)
        refuse_unload(self._repository, sent.model_name)

    async def model_infer(self, arrived: Arrived, context: "grpc.aio.ServicerContext") -> Any:
        """Answer samples."""
        headers = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        content = arrived.take()
        size = len(content)
        sent = parse(_Infer, content) if size <= OUTLINED else None
        outline = outline_of_bytes(content) if sent is None else outline_of_message(sent)
        with self._exchanges.of(outline.model, headers) as ongoing, self._repository.bodies.share() as share:
            ongoing.accepted_ns = arrived.accepted_ns
            served = self._repository.get(outline.model, outline.version or None)
            _check_size(size, served.most_bytes)
            share.take(size)
            most_samples = self._repository.settings.scheduling.max_queue
            check_declared(served.model.manifest.inputs, outline.declared, most_samples=most_samples)
            check_numbers(outline)
            if sent is not None:
                ongoing.request = read_request(sent, arrived.remaining_s)
            else:
                async with self._turns:
                    ongoing.request = await asyncio.to_thread(_parse_and_read, content, arrived.remaining_s)
            del sent, content
            ongoing.response = await answer(self._repository, ongoing.request, accepted_ns=arrived.accepted_ns)
            return write_response(ongoing.response)

    def _get(self, sent: Any) -> Served:
        """The model of a request with fields `name` and `version`."""
        return self._repository.get(sent.name, sent.version or None)


def _parse_and_read(content: bytes, remaining_s: float | None) -> InferRequest:
    """What the bytes of a message ask."""
    return read_request(parse(_Infer, content), remaining_s)


def _check_size(size: int, most: int) -> None:
    """Refuse what no request to the model needs.

    Raises:
        TooLargeError: the message has more bytes than the largest body of such a request, in JSON.
    """
    if size > most:
        raise TooLargeError("request", f"got {size} bytes, expected at most {most}", "Send fewer samples at a time")


def _check_named(repository: str) -> None:
    """Refuse the name of a repository: over HTTP there is no path for one, either."""
    if repository:
        problem = f"got {repository[:64]!r}, the models here are in no repository that has a name"
        raise RequestError("repository_name", problem, "Leave it out")
