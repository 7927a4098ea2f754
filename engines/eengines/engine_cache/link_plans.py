"""Bring the plans of one cache folder along to another: what was built once is not built again."""

import os
import shutil
import stat
from pathlib import Path

from eengines.engine_cache.entry_folder import EXTRA_FLAGS, PLAN

__all__ = ["link_plans"]

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def link_plans(source: Path, target: Path) -> None:
    """Give every plan of a cache folder a second name in another; where links do not work it is copied.

    Nothing else comes along: only regular files with the name of a plan, no links, and not what a folder that is a link
    leads to. A plan that another process evicts meanwhile, or that cannot be read, is passed over. Times of last use
    stay.

    Args:
        source: the cache folder; nothing happens if there is none.
        target: made if there are plans; it has none of them yet.

    Raises:
        OSError: `target` cannot be written.
    """
    try:
        folder = os.open(source, FOLDER_FLAGS)
    except OSError:  # none is there, or something else, which is no cache
        return
    try:
        for name in sorted(filter(PLAN.fullmatch, os.listdir(folder))):
            _link(name, folder, target)
    finally:
        os.close(folder)


def _link(name: str, folder: int, target: Path) -> None:
    """Link or copy one regular file of an open folder."""
    try:
        if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            return
    except FileNotFoundError:  # it was evicted
        return
    target.mkdir(mode=0o700, exist_ok=True)
    path = target / name
    try:
        os.link(name, path, src_dir_fd=folder, follow_symlinks=False)
    except OSError:
        _copy(name, folder, path)
        return
    if not stat.S_ISREG(path.lstat().st_mode):  # it was exchanged for something else meanwhile
        path.unlink()


def _copy(name: str, folder: int, path: Path) -> None:
    """Copy one regular file with its time of last use; one that cannot be read, or is gone, is passed over."""
    flags = os.O_RDONLY | EXTRA_FLAGS | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError:
        return
    with open(descriptor, "rb") as plan:
        state = os.fstat(plan.fileno())
        if not stat.S_ISREG(state.st_mode):
            return
        with path.open("xb") as copy:
            shutil.copyfileobj(plan, copy)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
