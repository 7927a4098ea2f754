"""Responses of everything but inference."""

from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from eengines.errors import EEError
from eerun.serve.rest.errors_in_json import DEFECT, error_body, error_headers

__all__ = ["as_json", "tell_defect", "tell_error", "tell_http_error"]


def as_json(content: Any, status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


async def tell_error(_: Request, error: Exception) -> Response:
    """Tell an error of the project."""
    if not isinstance(error, EEError):
        raise error
    headers = {name.decode(): value.decode() for name, value in error_headers(error)}
    return Response(error_body(str(error)), error.http_status, headers)


async def tell_http_error(request: Request, error: Exception) -> Response:
    """Tell that there is no such path or method."""
    if not isinstance(error, HTTPException):
        raise error
    message = f"{request.method} {request.url.path}: {error.detail}"
    return Response(error_body(message), error.status_code, error.headers, media_type="application/json")


async def tell_defect(_: Request, __: Exception) -> Response:
    """Tell that the server has a defect; what it is stands in the log."""
    return Response(error_body(DEFECT), 500, media_type="application/json")
