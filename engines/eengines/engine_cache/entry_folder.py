"""The folder of plans: files are written whole or not at all, and the least recently used leave first.

    <key>.plan                   one plan, see `entry_file`
    <key>.lock                   held while the plan is being built
    .<key>.<16 digits>.part      being written, by the holder of that lock
    folder.lock                  held while the order of use or the set of plans changes

The order of use is the order of the files' modification times. Each use sets a later one than any other file has, even
where the clock stands still or goes back, so the order holds across processes and restarts. Other files are left alone.
"""

import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from eengines.device_engine import Plan
from eengines.engine_cache.entry_file import DamagedEntryError, EntryFront, EntryHeader, read_front, read_plan
from eengines.engine_cache.file_lock import FileLock, lock_briefly

__all__ = ["EntryFolder", "StoredFile"]

PLAN = re.compile(r"([0-9a-f]{64})\.plan")
EXTRA_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK
PART = re.compile(r"\.([0-9a-f]{64})\.[0-9a-f]{16}\.part")


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file with the name of a plan.

    Attributes:
        key: from its name.
        nbytes: its size.
        used_ns: when it was used last, nanoseconds since 1970.
    """

    key: str
    nbytes: int
    used_ns: int


class EntryFolder:
    """Plans as files; nothing is remembered here, so that several processes may share the folder.

    Args:
        path: the folder; it is made when something is kept.
        max_bytes: most bytes of plans.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes

    def files(self) -> list[StoredFile]:
        """Return what has the name of a plan, the least recently used first. Empty if there is no folder.

        Raises:
            OSError: the folder cannot be read.
        """
        found = []
        with suppress(FileNotFoundError), os.scandir(self.path) as entries:
            for entry in entries:
                match = PLAN.fullmatch(entry.name)
                if match is None:
                    continue
                with suppress(FileNotFoundError):
                    state = entry.stat(follow_symlinks=False)
                    found.append(StoredFile(key=match[1], nbytes=state.st_size, used_ns=state.st_mtime_ns))
        return sorted(found, key=lambda file: (file.used_ns, file.key))

    def header(self, key: str) -> EntryHeader:
        """Read what the file of a key says of its plan.

        Raises:
            DamagedEntryError: the file is not what was written.
            OSError: it cannot be read.
        """
        with self._open(key) as (file, size):
            return _front(file, size, key).header

    def read(self, key: str, user_key: bytes | None) -> tuple[Plan, bool]:
        """Read and verify a plan, and tell whether it was made under a user's key; this is not a use yet.

        Raises:
            DamagedEntryError: the file is not what was written.
            OSError: it cannot be read.
        """
        with self._open(key) as (file, size):
            front = _front(file, size, key)
            plan = read_plan(file, front.header)
        return plan, user_key is not None and front.is_by(user_key, plan)

    def touch(self, key: str) -> None:
        """Make a plan the most recently used one.

        Raises:
            OSError: the folder cannot be written.
        """
        with lock_briefly(self._folder_lock), suppress(FileNotFoundError):  # it may have been evicted
            now = self._next_use_ns()
            os.utime(self._path(key), ns=(now, now))

    def lock(self, key: str) -> FileLock | None:
        """Take the right to build the plan of a key; None: somebody else has it. The folder is made if need be.

        Raises:
            OSError: the folder cannot be written.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock.take(self._lock(key))

    def keep(self, key: str, front: bytes, content: bytes) -> None:
        """Write a plan, then let others leave until all fits. The key's lock must be held.

        Raises:
            OSError: it cannot be written; nothing of it is left.
        """
        self._remove_abandoned(key)
        part = self.path / f".{key}.{secrets.token_hex(8)}.part"
        try:
            with part.open("xb") as file:
                file.write(front)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with lock_briefly(self._folder_lock):
                now = self._next_use_ns()
                os.utime(part, ns=(now, now))
                part.rename(self._path(key))  # not synced further: a rename that a power cut undoes is a miss
                self._evict(key)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def remove(self, key: str) -> None:
        """Remove the file of a key if that is possible; if not, a rename will replace it, or nothing can be kept."""
        with suppress(OSError):
            self._path(key).unlink()

    def _evict(self, newest: str) -> None:
        """Remove the least recently used files, but never the newest, until the sum of the rest fits."""
        files = self.files()
        excess = sum(file.nbytes for file in files) - self.max_bytes
        for file in files:
            if excess > 0 and file.key != newest:
                try:
                    self._path(file.key).unlink(missing_ok=True)
                except OSError:  # somebody else's: the next one leaves instead
                    continue
                excess -= file.nbytes

    def _remove_abandoned(self, own: str) -> None:
        """Remove what writers that no longer run have left: nobody holds its key's lock, or we do."""
        for path in [*self.path.iterdir()]:
            match = PART.fullmatch(path.name)
            if match is None:
                continue
            lock = None if match[1] == own else FileLock.take(self._lock(match[1]))
            if match[1] == own or lock:
                path.unlink(missing_ok=True)
            if lock:
                lock.release()

    def _next_use_ns(self) -> int:
        """A time later than that of every file; the folder's lock must be held."""
        files = self.files()
        return max(time.time_ns(), files[-1].used_ns + 1 if files else 0)

    @contextmanager
    def _open(self, key: str) -> Iterator[tuple[BinaryIO, int]]:
        """Open a regular file, and nothing that its name might lead to or wait on, with its size."""
        with open(self._path(key), "rb", opener=lambda path, flags: os.open(path, flags | EXTRA_FLAGS)) as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise DamagedEntryError("it is not a regular file")
            yield file, state.st_size

    @property
    def _folder_lock(self) -> Path:
        return self.path / "folder.lock"

    def _lock(self, key: str) -> Path:
        return self.path / f"{key}.lock"

    def _path(self, key: str) -> Path:
        return self.path / f"{key}.plan"


def _front(file: BinaryIO, size: int, key: str) -> EntryFront:
    """Read the front of a file that has the name of a key."""
    front = read_front(file, size)
    if front.header.origin.key != key:
        raise DamagedEntryError(f"it holds the plan of key {front.header.origin.key[:8]}")
    return front
