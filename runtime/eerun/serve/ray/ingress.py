"""A process of Ray Serve that takes HTTP requests and calls, and hands each to a replica until one answers."""

import logging
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from eengines.errors import DeadlineError, EEError, EngineError, OverloadError
from eerun.model import Result
from eerun.serve.errors import RequestError
from eerun.serve.ray.http_call import HttpAnswer, HttpCall
from eerun.serve.rest.body import read_body
from eerun.serve.rest.replies import tell_error
from eerun.serve.settings import ServeSettings

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

__all__ = ["Ingress"]

ONE_ALONE = ("/load", "/unload")
"""Ends of paths of Triton's repository extension, which change the process that they come to."""
RETRY_AFTER_S = 1.0
"""What a client is told to wait where the replicas have no room: nobody knows better."""

_log = logging.getLogger("eerun.serve")


class Ingress:
    """Hands calls to replicas.

    Ray hands a call that a replica has not begun to another by itself. A call whose replica dies while it has it fails;
    such a call is handed over again here, which is right because a call changes nothing.

    Args:
        replicas: handle of the deployment of `Replica`.
        attempts: how often a call is handed over at most.
        settings: the largest body, and how long it may take to come.
    """

    def __init__(self, replicas: "DeploymentHandle[Any]", *, attempts: int, settings: ServeSettings) -> None:
        self._replicas, self._attempts, self._settings = replicas, attempts, settings

    async def infer(self, x: Any, **terms: Any) -> Result:
        """Answer samples.

        Args:
            x: see `Model.infer`; arrays of numpy.
            terms: `exits`, `min_exit`, `max_exit` and `deadline_ms` of `Model.submit`. Where a call is handed over
                again it has what is left of its deadline.

        Raises:
            EEError: as `Model.submit`; `OverloadError` also where too many calls wait for a replica, `EngineError`
                where every replica died that had the call.
        """
        answer: Result = await self._ask("infer", x, **terms)
        return answer

    async def __call__(self, request: Request) -> Response:
        """Answer an HTTP request."""
        try:
            answer: HttpAnswer = await self._ask("http", await self._read(request))
        except EEError as error:
            return await tell_error(request, error)
        response = Response(answer.body, answer.status)
        response.raw_headers = list(answer.headers)
        return response

    async def _read(self, request: Request) -> HttpCall:
        """Read a request.

        Raises:
            UserError: its body is too large, or does not come, or it is for one process alone.
        """
        scope = request.scope
        if request.url.path.endswith(ONE_ALONE):
            remedy = "Deploy the application again: Ray replaces one replica after the other"
            raise RequestError(
                request.url.path, "it would reload the bundle of one replica, and not of the others", remedy
            )
        most, timeout_s = self._settings.max_request_bytes, self._settings.request_timeout_s
        body = await read_body(dict(scope["headers"]), request.receive, most=most, timeout_s=timeout_s)
        raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
        return HttpCall(
            method=request.method,
            path=raw_path.removeprefix(quote(scope.get("root_path", "")).encode()).decode("latin-1") or "/",
            query=scope["query_string"],
            headers=tuple((bytes(name), bytes(value)) for name, value in scope["headers"]),
            body=body,
        )

    async def _ask(self, method: str, *arguments: Any, **terms: Any) -> Any:
        """Call a method of a replica; of another one where it dies."""
        from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError
        from ray.serve.exceptions import BackPressureError

        came_ns = perf_counter_ns()
        for attempt in range(1, self._attempts + 1):
            try:
                left = terms if attempt == 1 else _left(terms, came_ns)
                return await getattr(self._replicas, method).remote(*arguments, **left)
            except (ActorDiedError, ActorUnavailableError):
                _log.warning("a replica died with a call, attempt %d of %d", attempt, self._attempts)
            except BackPressureError as error:
                remedy = "Try again later, or serve more replicas"
                raise OverloadError("replicas", error.message, remedy, retry_after_s=RETRY_AFTER_S) from None
            except RayTaskError as error:
                if isinstance(error.cause, EEError):
                    raise error.cause from None
                raise
        problem = f"{self._attempts} replicas died, one after the other, while they had this call"
        raise EngineError("replicas", problem, "Look into their logs, or give more attempts")


def _left(terms: dict[str, Any], came_ns: int) -> dict[str, Any]:
    """The terms of a call that is handed over again, with what is left of its deadline.

    Raises:
        DeadlineError: nothing is left.
    """
    if terms.get("deadline_ms") is None:
        return terms
    left_ms = float(terms["deadline_ms"]) - (perf_counter_ns() - came_ns) / 1e6
    if left_ms <= 0:
        problem = "its deadline passed when its replica had died"
        raise DeadlineError("replicas", problem, "Give it more time, or send fewer samples")
    return {**terms, "deadline_ms": left_ms}
