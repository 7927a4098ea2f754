"""Check a cache folder as a whole: how many plans are what was written, and what else lies there."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from eengines.engine_cache.entry_file import DamagedEntryError
from eengines.engine_cache.entry_folder import PART, PLAN, EntryFolder

__all__ = ["CheckedFolder", "check_folder"]

OTHERS = re.compile(r"(?:[0-9a-f]{64}|folder)\.lock")


@dataclass(frozen=True, kw_only=True)
class CheckedFolder:
    """What a cache folder holds.

    Attributes:
        whole: number of plans whose digests are right; who made them is not asked.
        damaged: number of plans that are not what was written, or cannot be read; where they are needed they are built.
        strange: names of what no cache writes: links, folders, pipes, files with other names; `.`: the folder itself.
        problem: why the folder cannot be read, and nothing is known of it; empty: it can.
    """

    whole: int = 0
    damaged: int = 0
    strange: tuple[str, ...] = ()
    problem: str = ""


def check_folder(path: Path) -> CheckedFolder:
    """Read every plan of a folder and verify it. No folder is an empty one."""
    try:
        state = path.lstat()
    except FileNotFoundError:
        return CheckedFolder()
    if not stat.S_ISDIR(state.st_mode):
        return CheckedFolder(strange=(".",))
    try:
        with os.scandir(path) as entries:
            regular = {entry.name: entry.is_file(follow_symlinks=False) for entry in entries}
    except OSError as error:
        return CheckedFolder(problem=str(error))
    strange = sorted(name for name, known in regular.items() if not known or not _is_of_a_cache(name))
    keys = [match[1] for name in regular if regular[name] and (match := PLAN.fullmatch(name))]
    found = [_is_whole(path, key) for key in keys]
    return CheckedFolder(whole=found.count(True), damaged=found.count(False), strange=tuple(strange))


def _is_of_a_cache(name: str) -> bool:
    return any(kind.fullmatch(name) for kind in (PLAN, PART, OTHERS))


def _is_whole(path: Path, key: str) -> bool | None:
    """Whether a plan is what was written; None: it was evicted meanwhile."""
    try:
        EntryFolder(path, max_bytes=0).read(key, None)
    except FileNotFoundError:
        return None
    except (DamagedEntryError, OSError):
        return False
    return True
