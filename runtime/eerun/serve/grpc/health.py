"""`grpc.health.v1.Health`, which load balancers and orchestrators ask."""

from typing import Any

import grpc

from eerun.serve.errors import UnknownModelError
from eerun.serve.grpc.message_table import HEALTH, INFERENCE
from eerun.serve.grpc.messages import message
from eerun.serve.repository import Repository

__all__ = ["Health"]

SERVICES = ("", f"{INFERENCE}.GRPCInferenceService")


class Health:
    """Answers from a repository.

    Args:
        repository: the models.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    async def check(self, sent: Any, _context: "grpc.aio.ServicerContext") -> Any:
        """Say whether a service, or all of the server, takes requests.

        Raises:
            UnknownModelError: there is no such service; its status code is NOT_FOUND.
        """
        if sent.service not in SERVICES:
            problem = f"no service {sent.service[:64]!r}, there is {SERVICES[1]}"
            raise UnknownModelError("health", problem, "Ask for that, or for none")
        status = "SERVING" if self._repository.ready() else "NOT_SERVING"
        return message("HealthCheckResponse", HEALTH)(status=status)
