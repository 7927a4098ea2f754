"""Look again and again whether another bundle lies where one is served from."""

import asyncio
import logging
from pathlib import Path

from eengines.errors import ClosedError, EEError
from eerun.bundle.manifest import MANIFEST_NAME
from eerun.serve.repository import Repository

__all__ = ["BundleWatch", "watch_bundles"]

_log = logging.getLogger("eerun.serve")

Stamp = tuple[tuple[str, int, int, int], ...]


async def watch_bundles(repository: Repository, every_s: float) -> None:
    """Look at every model each `every_s` seconds, in the thread of loads, until cancelled; 0: return at once."""
    watches = [BundleWatch(repository, name) for name in repository.names()] if every_s else []
    while watches:
        await asyncio.sleep(every_s)
        for watch in watches:
            await repository.loads.run(watch.look)


class BundleWatch:
    """Watches the bundle of one model.

    Args:
        repository: is told to take a new one.
        name: of the model.
    """

    def __init__(self, repository: Repository, name: str) -> None:
        self._repository, self._name = repository, name
        self._path = repository.get(name).path
        self._tried = self._seen = _manifest(self._path)
        self._refused: Stamp | None = None

    def look(self) -> None:
        """Take the bundle if its manifest changed since, and did not change since the last look.

        A bundle that was refused is tried again when any of its files changed: it may be that they are being copied.
        """
        stamp = _manifest(self._path)
        settled, self._seen = stamp == self._seen, stamp
        changed = stamp != self._tried or (self._refused is not None and _folder(self._path) != self._refused)
        if not settled or not changed:
            return
        self._tried, before = stamp, _folder(self._path)
        try:
            self._repository.reload(self._name)
            self._refused = None
        except ClosedError:
            return  # the server is being stopped
        except EEError as error:
            self._refused = before
            served = self._repository.get(self._name)
            _log.error("%s: version %s goes on, because of the new bundle: %s", self._name, served.version, error)


def _manifest(path: Path) -> Stamp:
    """What tells a manifest from another."""
    return _stamp([path / MANIFEST_NAME])


def _folder(path: Path) -> Stamp:
    return _stamp(sorted(path.rglob("*")))


def _stamp(files: list[Path]) -> Stamp:
    stamps = []
    for file in files:
        try:
            found = file.stat()
        except OSError:
            continue
        stamps.append((str(file), found.st_mtime_ns, found.st_size, found.st_ino))
    return tuple(stamps)
