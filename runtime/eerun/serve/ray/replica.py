"""A process of Ray Serve that has the model."""

import sys
from typing import Any

from eengines.errors import EngineError
from eerun.model import Result
from eerun.serve.ray.http_call import HttpAnswer, HttpCall, call_app
from eerun.serve.repository import Repository
from eerun.serve.rest.app import create_app
from eerun.serve.server import SWITCH_INTERVAL_S
from eerun.serve.settings import ServeSettings

__all__ = ["Replica"]


class Replica:
    """One model with its scheduler, which makes batches of the calls that Ray hands over.

    Args:
        settings: the bundle, and how it is opened.

    Raises:
        EEError: the bundle cannot be served here.
    """

    def __init__(self, settings: ServeSettings) -> None:
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._repository = Repository(settings)
        self._model = self._repository.get(settings.bundles[0][0]).model
        self._app = create_app(self._repository, settings)

    async def infer(self, x: Any, **terms: Any) -> Result:
        """See `Model.ainfer`."""
        return await self._model.ainfer(x, **terms)

    async def http(self, call: HttpCall) -> HttpAnswer:
        """Answer an HTTP request, as `eerun serve` does."""
        return await call_app(self._app, call)

    def check_health(self) -> None:
        """Tell Ray to replace this process if the engine fails.

        Raises:
            EngineError: it does.
        """
        if not self._model.healthy:
            raise EngineError("replica", "the engine failed in its last runs", "Ray starts another replica")

    def __del__(self) -> None:
        """Answer what was accepted, and stop; Ray calls this when it stops the process."""
        repository = getattr(self, "_repository", None)
        if repository is not None:
            repository.close()
