"""The methods of `inference.GRPCInferenceService`; each takes a request's message and returns that of its answer."""

from typing import Any

import grpc

from eerun.serve.errors import UnknownModelError
from eerun.serve.exchanges import Exchanges
from eerun.serve.grpc.convert import read_request, write_response
from eerun.serve.grpc.messages import message
from eerun.serve.grpc.model_config import model_config
from eerun.serve.grpc.model_statistics import model_statistics
from eerun.serve.oip.answer import answer
from eerun.serve.oip.declared import Declared, check_declared
from eerun.serve.oip.index import repository_index
from eerun.serve.oip.loads import load
from eerun.serve.oip.metadata import model_metadata, server_metadata
from eerun.serve.repository import Repository, Served

__all__ = ["Service"]


class Service:
    """Answers from a repository.

    Args:
        repository: the models.
        exchanges: hear of inference requests.
    """

    def __init__(self, repository: Repository, exchanges: Exchanges) -> None:
        self._repository, self._exchanges = repository, exchanges

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
        return message("ModelConfigResponse")(config=model_config(self._get(sent)))

    async def model_statistics(self, sent: Any, _context: "grpc.aio.ServicerContext") -> Any:
        """Say what a model has done, or all of them."""
        names = [sent.name] if sent.name else self._repository.names()
        served = [self._repository.get(name, sent.version or None) for name in names]
        return message("ModelStatisticsResponse")(model_stats=[model_statistics(each) for each in served])

    async def repository_index(self, sent: Any, _context: "grpc.aio.ServicerContext") -> Any:
        """List the models; see `eerun.serve.oip.index`."""
        return message("RepositoryIndexResponse")(models=repository_index(self._repository, only_ready=sent.ready))

    async def repository_model_load(self, sent: Any, _context: "grpc.aio.ServicerContext") -> Any:
        """Take the bundle that lies in the model's folder now, if it is another one."""
        await load(self._repository, sent.model_name, tuple(sent.parameters))
        return message("RepositoryModelLoadResponse")()

    async def model_infer(self, sent: Any, context: "grpc.aio.ServicerContext") -> Any:
        """Answer samples."""
        headers = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        with self._exchanges.of(sent.model_name, headers) as ongoing, self._repository.bodies.share() as share:
            served = self._repository.get(sent.model_name, sent.model_version or None)
            share.take(sent.ByteSize())
            declared = [Declared(each.name, each.datatype, each.shape) for each in sent.inputs]
            most_samples = self._repository.settings.scheduling.max_queue
            check_declared(served.model.manifest.inputs, declared, most_samples=most_samples)
            ongoing.request = read_request(sent, context.time_remaining())
            ongoing.response = await answer(self._repository, ongoing.request)
            return write_response(ongoing.response)

    def _get(self, sent: Any) -> Served:
        """The model of a request with fields `name` and `version`."""
        return self._repository.get(sent.name, sent.version or None)
