"""Engines in a child by fork: their threads stayed in the parent, and whoever waits for them waits for ever."""

import ctypes
import os
from functools import cache

from eengines.errors import EngineError

__all__ = ["check_process", "leave_engines_alone", "opens_engines"]

_loaded_in: dict[str, int] = {}
"""`process`: the first process that loaded an engine."""


def check_process(where: str) -> None:
    """Refuse engines in a child of a process that has opened some.

    Args:
        where: the bundle, for messages.

    Raises:
        EngineError: its parent has loaded some: libraries share one thread pool a process, which is dead here.
    """
    process = os.getpid()
    if _loaded_in.get("process", process) != process:
        problem = "engines were loaded in the parent of this process, whose threads do not exist here"
        raise EngineError(where, problem, "Fork before any model is loaded, or start the process with spawn")


def opens_engines() -> None:
    """Take note that this process is about to open an engine."""
    _loaded_in.setdefault("process", os.getpid())


def leave_engines_alone(*owners: object) -> None:
    """Never destroy what owns engines, in a child: their destructors wait for threads of the parent.

    Neither do libraries at the end of the process: it ends as soon as Python has.
    """
    for owner in owners:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))
    _end_with_python()


@cache
def _end_with_python() -> None:
    """Let `exit` end the process before destructors of libraries run; where libc cannot, they do."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):  # glibc: the function gets the exit status, and is called before earlier ones
        libc.on_exit(getattr(libc, "_exit"), None)  # noqa: B009 - the function of libc, not a private member
