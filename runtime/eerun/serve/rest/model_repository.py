"""`POST v2/repository/…`: Triton's extension to list models and to load them again."""

from typing import Any, NoReturn

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eerun.serve.errors import RequestError
from eerun.serve.oip.index import repository_index
from eerun.serve.oip.loads import load, refuse_unload
from eerun.serve.repository import Repository
from eerun.serve.rest.body import read_body
from eerun.serve.rest.replies import as_json

__all__ = ["ModelRepository"]

MAX_BYTES = 64 * 1024


class _Index(msgspec.Struct):
    ready: bool = False


class _Load(msgspec.Struct):
    parameters: dict[str, Any] = {}


class ModelRepository:
    """Lists models, and looks at their folders when it is told to."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def routes(self) -> list[Route]:
        """Return the paths that it answers."""
        return [
            Route("/v2/repository/index", self._index, methods=["POST"]),
            Route("/v2/repository/models/{model}/load", self._load, methods=["POST"]),
            Route("/v2/repository/models/{model}/unload", self._unload, methods=["POST"]),
        ]

    async def _index(self, request: Request) -> Response:
        asked = await self._body(request, _Index)
        return as_json(repository_index(self._repository, only_ready=asked.ready))

    async def _load(self, request: Request) -> Response:
        """Take the bundle that lies in the model's folder now; answered when it serves, or with why it does not."""
        asked = await self._body(request, _Load)
        name = request.path_params["model"]
        await load(self._repository, name, asked.parameters)
        return as_json({})

    async def _unload(self, request: Request) -> NoReturn:
        refuse_unload(self._repository, request.path_params["model"])

    async def _body(self, request: Request, kind: type[Any]) -> Any:
        """The JSON object of a request; an empty body is an empty object."""
        settings = self._repository.settings
        body = await read_body(
            dict(request.scope["headers"]), request.receive, most=MAX_BYTES, timeout_s=settings.request_timeout_s
        )
        try:
            return msgspec.json.decode(body or b"{}", type=kind)
        except (ValueError, RecursionError) as error:
            raise RequestError("body", f"it is not what is expected here: {error}", "Send a JSON object") from error
