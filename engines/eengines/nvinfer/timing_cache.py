"""Times of tactics, kept in a file between builds: a second build of a like graph measures nothing twice."""

import logging
import os
import tempfile
from pathlib import Path

from eengines.nvinfer import api

__all__ = ["read_timing_cache", "write_timing_cache"]

_log = logging.getLogger("eengines")


def read_timing_cache(config: api.IBuilderConfig, path: Path) -> None:
    """Give a build the times of earlier ones; a missing, damaged or foreign file counts as empty."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
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
    """Keep the times of a build: written beside the file, then renamed. A build does not fail for its cache."""
    cache = config.get_timing_cache()
    if cache is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            written = Path(file.name)
            try:
                file.write(bytes(cache.serialize()))
                file.flush()
                os.fsync(file.fileno())
                written.replace(path)
            finally:
                written.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("timing cache %s cannot be written: %s", path, error)
