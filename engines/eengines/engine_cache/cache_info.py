"""What is in the cache, for people."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from eengines.engine_cache.entry_file import DamagedEntryError
from eengines.engine_cache.entry_folder import EntryFolder, StoredFile
from eengines.engine_cache.origin import plain
from eengines.errors import UserError

__all__ = ["CacheEntry", "CacheInfo", "list_cache"]


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """One kept plan.

    Attributes:
        key: 64 hexadecimal digits, the name of its file.
        nbytes: size of its file.
        last_used: in UTC.
        label: what the graph was called when the plan was built.
        engine: name of the backend.
        library: library and version: what the backend's identity names first.
        card: the rest of that identity, such as card, compute capability and driver.
        problem: why it cannot be used, and the texts above are empty. Empty: it can, as far as its header tells.
    """

    key: str
    nbytes: int
    last_used: datetime
    label: str = ""
    engine: str = ""
    library: str = ""
    card: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class CacheInfo:
    """A cache.

    Attributes:
        folder: where it is.
        max_bytes: most bytes that it may have.
        nbytes: bytes that it has.
        entries: the most recently used first.
    """

    folder: Path
    max_bytes: int
    nbytes: int
    entries: tuple[CacheEntry, ...]


def list_cache(folder: EntryFolder) -> CacheInfo:
    """Read what the files say of themselves.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        files = folder.files()
    except OSError as error:
        raise UserError(str(folder.path), f"cannot be read: {error}", "Name another cache folder") from error
    return CacheInfo(
        folder=folder.path,
        max_bytes=folder.max_bytes,
        nbytes=sum(file.nbytes for file in files),
        entries=tuple(_entry(folder, file) for file in reversed(files)),
    )


def _entry(folder: EntryFolder, file: StoredFile) -> CacheEntry:
    used = datetime.fromtimestamp(file.used_ns / 1e9, UTC)
    try:
        header = folder.header(file.key)
    except (DamagedEntryError, OSError) as error:
        return CacheEntry(key=file.key, nbytes=file.nbytes, last_used=used, problem=plain(str(error)))
    named = [f"{plain(name)} {plain(value)}" for name, value in header.origin.identity.items()]
    return CacheEntry(
        key=file.key,
        nbytes=file.nbytes,
        last_used=used,
        label=plain(header.label),
        engine=plain(header.origin.engine),
        library="".join(named[:1]),
        card=", ".join(named[1:]),
    )
