"""Load and unload, of Triton's repository extension."""

import logging
from collections.abc import Collection
from typing import NoReturn

from eengines.errors import EEError
from eerun.serve.errors import RequestError
from eerun.serve.repository import Repository
from eerun.serve.told import told

__all__ = ["load", "refuse_unload"]

_log = logging.getLogger("eerun.serve")


async def load(repository: Repository, name: str, parameters: Collection[str]) -> None:
    """Take the bundle that lies in a model's folder now; return when it serves.

    Args:
        repository: the models.
        name: of the model.
        parameters: names of those that the request has.

    Raises:
        UnknownModelError: no such model.
        RequestError: the request has parameters, or models are not loaded over the network here.
        EEError: something is wrong with the bundle.
    """
    served = repository.get(name)
    if not repository.settings.load_over_network:
        raise RequestError(f"model {name!r}", "this server loads nothing over the network", "Ask its operator")
    if parameters:
        problem = f"got {min(parameters)[:64]!r}, a model is what its bundle says"
        raise RequestError("parameters", problem, "Change the bundle, then load it without parameters")
    try:
        await repository.loads.load(name)
    except EEError as error:
        _log.warning("model %r was not loaded: %s", name, error)
        raise told(error, served) from None


def refuse_unload(repository: Repository, name: str) -> NoReturn:
    """Say that models are not unloaded.

    Raises:
        UnknownModelError: no such model.
        RequestError: in every other case.
    """
    repository.get(name)
    raise RequestError(f"model {name!r}", "a model is served as long as the server runs", "Start the server without it")
