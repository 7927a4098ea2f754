"""The list of models of Triton's repository extension."""

from eerun.serve.repository import Repository
from eerun.serve.told import without_folder

__all__ = ["repository_index"]

READY = "READY"


def repository_index(repository: Repository, *, only_ready: bool = False) -> list[dict[str, str]]:
    """Return name, version, state and reason of each model.

    A model whose new bundle was refused stays `READY` with the old one; the reason says what is wrong with the new one.
    """
    models = [_entry(repository, name) for name in repository.names()]
    return [model for model in models if model["state"] == READY or not only_ready]


def _entry(repository: Repository, name: str) -> dict[str, str]:
    served = repository.get(name)
    reason = without_folder(repository.reload_state(name).last_reload_error or "", served)
    if repository.draining or not served.model.healthy:
        reason = "the server is being stopped" if repository.draining else "its last runs failed"
        return {"name": name, "version": served.version, "state": "UNAVAILABLE", "reason": reason}
    return {"name": name, "version": served.version, "state": READY, "reason": reason}
