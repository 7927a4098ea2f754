"""`GET v2/…`: health, metadata, configuration and statistics."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eerun.serve.oip.configuration import model_configuration
from eerun.serve.oip.metadata import model_metadata, server_metadata
from eerun.serve.oip.statistics import model_statistics
from eerun.serve.repository import Repository, Served
from eerun.serve.rest.replies import as_json

__all__ = ["Models"]

NOT_READY = 503


class Models:
    """Answers questions about the server and its models."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def routes(self) -> list[Route]:
        """Return the paths that it answers."""
        routes = [
            Route("/v2", self._server),
            Route("/v2/", self._server),
            Route("/v2/health/live", self._live),
            Route("/v2/health/ready", self._ready),
            Route("/v2/models/stats", self._all_statistics),
        ]
        for start in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
            routes += [
                Route(start, self._metadata),
                Route(f"{start}/ready", self._model_ready),
                Route(f"{start}/config", self._configuration),
                Route(f"{start}/stats", self._statistics),
            ]
        return routes

    def _served(self, request: Request) -> Served:
        return self._repository.get(request.path_params["model"], request.path_params.get("version"))

    async def _server(self, _: Request) -> Response:
        return as_json(server_metadata())

    async def _live(self, _: Request) -> Response:
        return as_json({"live": True})

    async def _ready(self, _: Request) -> Response:
        ready = self._repository.ready()
        return as_json({"live": True, "ready": ready}, 200 if ready else NOT_READY)

    async def _model_ready(self, request: Request) -> Response:
        served = self._served(request)
        ready = served.model.healthy and not self._repository.draining
        return as_json({"name": served.name, "ready": ready}, 200 if ready else NOT_READY)

    async def _metadata(self, request: Request) -> Response:
        return as_json(model_metadata(self._served(request)))

    async def _configuration(self, request: Request) -> Response:
        return as_json(model_configuration(self._served(request)))

    async def _statistics(self, request: Request) -> Response:
        return as_json({"model_stats": [model_statistics(self._served(request))]})

    async def _all_statistics(self, _: Request) -> Response:
        models = [self._repository.get(name) for name in self._repository.names()]
        return as_json({"model_stats": [model_statistics(served) for served in models]})
