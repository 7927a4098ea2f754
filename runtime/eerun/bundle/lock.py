"""One at a time changes a bundle that is there."""

import errno
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eengines.engine_cache import FileLock
from eengines.errors import UserError

__all__ = ["ELSEWHERE", "bundle_lock"]

_log = logging.getLogger("eerun")

POLL_S = 0.05
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
ELSEWHERE = "Copy the bundle to a place that can be written"


@contextmanager
def bundle_lock(path: Path) -> Iterator[None]:
    """Have the right to change a bundle; who else wants it, process or thread, waits.

    The lock is `flock` on `.NAME.lock` beside the bundle, because the bundle's folder is replaced. The system releases
    it when the process ends, however. Where the file system has no locks that is said, and nobody waits. It cannot be
    taken twice.

    Args:
        path: the bundle's folder, which need not be there yet.

    Raises:
        UserError: the folder that it is in cannot be written.
    """
    place = Path(os.path.abspath(path))
    lock = _take(place.with_name(f".{place.name}.lock"), place)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _take(file: Path, bundle: Path) -> FileLock | None:
    """Take the lock, waiting for it if need be; None: the file system has none."""
    said = False
    while True:
        try:
            lock = FileLock.take(file)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise UserError(str(bundle), f"it cannot be locked: {error}", ELSEWHERE) from error
            _log.warning("%s: no locks on this file system (%s): let one program at a time change it", bundle, error)
            return None
        if lock is not None:
            return lock
        if not said:
            _log.info("%s: somebody else changes it: waiting", bundle)
            said = True
        time.sleep(POLL_S)
