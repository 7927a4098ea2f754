"""Times of tactics, kept in a file between builds: a second build of a like graph measures nothing twice.

The file is the user's own, in the cache folder and never in a bundle. It is data: TensorRT checks its header, which
names version and card. Whatever is wrong with it, a build goes on with fewer times, and says so in the log.
"""

import logging
import os
import re
import stat
import tempfile
from pathlib import Path

from eengines.engine_cache.default_folder import default_cache_folder
from eengines.engine_cache.file_lock import lock_briefly
from eengines.errors import UserError
from eengines.nvinfer import api

__all__ = ["default_timing_cache", "read_timing_cache", "write_timing_cache"]

_log = logging.getLogger("eengines")

FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def default_timing_cache(version: str, card: str) -> Path | None:
    """Return the user's file for a version of TensorRT and a kind of card; None: the user has no folder for it."""
    try:
        folder = default_cache_folder()
    except UserError as error:
        _log.info("times of tactics are not kept: %s", error)
        return None
    slug = re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-")
    return folder / "timing" / f"{version}-{slug}.cache"


def read_timing_cache(config: api.IBuilderConfig, path: Path) -> None:
    """Give a build the times of earlier ones; a missing, damaged or foreign file counts as empty."""
    try:
        content = _read(path)
    except OSError as error:
        _log.warning("timing cache %s cannot be read: %s", path, error)
        content = b""
    for candidate in (content, b""):
        cache = config.create_timing_cache(candidate)
        if cache is not None and config.set_timing_cache(cache, False):
            return
        if candidate:
            _log.warning("timing cache %s is of another card or version, or damaged: starting an empty one", path)


def write_timing_cache(config: api.IBuilderConfig, path: Path) -> None:
    """Keep the times of a build, with those that others have kept since; a build does not fail for its cache."""
    cache = config.get_timing_cache()
    if cache is None:
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with lock_briefly(path.with_name(f"{path.name}.lock")):
            kept = config.create_timing_cache(_read(path))
            if kept is None or not cache.combine(kept, False):
                _log.info("timing cache %s is of another card or version, or damaged: it is replaced", path)
            _replace(path, bytes(cache.serialize()))
    except OSError as error:
        _log.warning("timing cache %s cannot be written: %s", path, error)


def _read(path: Path) -> bytes:
    """What the file holds; empty: there is none.

    Raises:
        OSError: it cannot be read, or others could have written it.
    """
    try:
        file = open(path, "rb", opener=lambda name, _: os.open(name, FLAGS))  # noqa: SIM115 - closed below
    except FileNotFoundError:
        return b""
    with file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & WRITABLE_BY_OTHERS:
            raise PermissionError("it is not a file that only this user writes")
        return file.read()


def _replace(path: Path, content: bytes) -> None:
    """Write beside the file, readable by its owner alone, then rename.

    Raises:
        OSError: it cannot be written; the old file stays.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        written = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)
