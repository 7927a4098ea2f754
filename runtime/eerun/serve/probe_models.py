"""Ask models that failed again, so that a server which nobody asks because it is not ready can become so."""

import asyncio
import logging

from eengines.errors import EEError
from eerun.random_inputs import random_inputs
from eerun.serve.repository import Repository, Served

__all__ = ["probe_models"]

EVERY_S = 2.0

_log = logging.getLogger("eerun.serve")


async def probe_models(repository: Repository) -> None:
    """Every two seconds let each model that is not healthy answer a random sample at its final exit."""
    while True:
        await asyncio.sleep(EVERY_S)
        for name in repository.names():
            served = repository.get(name)
            if not served.model.healthy:
                await _probe(served)


async def _probe(served: Served) -> None:
    try:
        await served.model.ainfer(random_inputs(served.model.manifest.inputs, 1, seed=0), exits=False)
    except EEError as error:
        _log.warning("model %r still fails: %s", served.name, error)
    else:
        _log.info("model %r answers again", served.name)
