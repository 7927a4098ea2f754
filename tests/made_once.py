"""What takes long to make is made once for all workers of pytest-xdist that run the suite."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

__all__ = ["copy_of_what_was_made"]


def copy_of_what_was_made(name: str, make: Callable[[Path], None], factory: pytest.TempPathFactory) -> Path:
    """Return a folder of this worker's own with what `make` writes into an empty folder.

    The worker that comes first makes it, others wait and copy. Who fails leaves it to the next, which starts anew.
    """
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made, finished = shared / f"made_{name}", shared / f"made_{name}.finished"
    with (shared / f"made_{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            make(made)
            finished.touch()
    own = factory.mktemp(name) / name
    shutil.copytree(made, own)
    return own
