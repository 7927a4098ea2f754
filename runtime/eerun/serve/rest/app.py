"""The HTTP application."""

import asyncio
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from eengines.errors import EEError
from eerun.serve.exchange import Observer
from eerun.serve.exchanges import Exchanges
from eerun.serve.metrics import metrics_page
from eerun.serve.repository import Repository
from eerun.serve.rest.infer import Infer, infer_target
from eerun.serve.rest.model_repository import ModelRepository
from eerun.serve.rest.models import Models
from eerun.serve.rest.openapi import openapi_document
from eerun.serve.rest.replies import as_json, tell_defect, tell_error, tell_http_error
from eerun.serve.settings import ServeSettings
from eerun.serve.status import PAGE, PAGE_HEADERS, status

__all__ = ["create_app", "create_metrics_app"]


class _App(Starlette):
    """Starlette, with a short way for inference requests."""

    infer: Infer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = infer_target(scope["path"]) if scope["type"] == "http" else None
        if target is None:
            await super().__call__(scope, receive, send)
        elif scope["method"] == "POST":
            await self.infer(target, scope, receive, send)
        else:
            wrong = HTTPException(405, headers={"Allow": "POST"})
            await (await tell_http_error(Request(scope), wrong))(scope, receive, send)


def create_app(repository: Repository, settings: ServeSettings, *, observers: Sequence[Observer] = ()) -> Starlette:
    """Return the application: the protocol below `/v2`, `/metrics`, `/openapi.json`, and the status page at `/`.

    Args:
        repository: the models.
        settings: limits.
        observers: are told of each inference request; see `Observer`.
    """

    async def page(_: Request) -> Response:
        return Response(PAGE, headers=PAGE_HEADERS, media_type="text/html")

    async def state(_: Request) -> Response:
        return as_json(await asyncio.to_thread(status, repository))

    async def document(_: Request) -> Response:
        return as_json(openapi_document(repository))

    routes = [
        *Models(repository).routes(),
        *ModelRepository(repository).routes(),
        _metrics_route(repository),
        Route("/", page),
        Route("/status.json", state),
        Route("/openapi.json", document),
    ]
    app = _App(
        routes=routes,
        exception_handlers={EEError: tell_error, HTTPException: tell_http_error, Exception: tell_defect},
    )
    app.router.redirect_slashes = False
    app.infer = Infer(repository, settings, Exchanges("rest", repository, observers))
    return app


def create_metrics_app(repository: Repository) -> Starlette:
    """Return an application that has nothing but `/metrics`."""
    app = Starlette(routes=[_metrics_route(repository)], exception_handlers={HTTPException: tell_http_error})
    app.router.redirect_slashes = False
    return app


def _metrics_route(repository: Repository) -> Route:
    async def metrics(_: Request) -> Response:
        content_type, content = await asyncio.to_thread(metrics_page, repository)
        return Response(content, headers={"content-type": content_type})

    return Route("/metrics", metrics)
