"""Locks between processes and threads: `flock` on a file. The system releases them when a process ends, however."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["FileLock", "lock_briefly"]

FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class FileLock:
    """A lock that this thread has, for work of any length. Its file is removed with it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> "FileLock | None":
        """Lock `path`, a file that is made if need be; None: somebody else has the lock.

        Raises:
            OSError: the file cannot be made or locked.
        """
        while True:
            descriptor = os.open(path, FLAGS, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(descriptor, path):
                    return cls(path, descriptor)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # who had the lock has removed the file since: others would lock a new one

    def release(self) -> None:
        """Let others have it."""
        with suppress(OSError):
            self._path.unlink()
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # closing is not enough: a forked child may have the file too
        os.close(self._descriptor)


@contextmanager
def lock_briefly(path: Path) -> Iterator[None]:
    """Have the lock of `path`, for work of milliseconds. Its file stays.

    Raises:
        OSError: the file cannot be made or locked.
    """
    descriptor = os.open(path, FLAGS, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
