"""What must know that this process ends or forks: what has threads, and what needs them."""

import atexit
import os
import weakref
from typing import Protocol

__all__ = ["EXIT_WAIT_S", "Closes", "Forks", "close_at_exit", "on_fork"]

EXIT_WAIT_S = 5.0
"""How long the end of the interpreter waits for the run in progress; a thread in an engine must not outlive it."""


class Closes(Protocol):
    """Something with threads."""

    def close(self, *, drain: bool, timeout_s: float | None = None) -> bool:
        """Stop; see `Scheduler.close`."""


class Forks(Protocol):
    """Something that does not work in a child of this process."""

    def forked(self) -> None:
        """Take note that this is such a child: threads of the parent do not exist here, and locks may be held."""


_closing: dict[int, "weakref.ref[Closes]"] = {}
_forking: dict[int, "weakref.ref[Forks]"] = {}


def close_at_exit(what: Closes) -> None:
    """Close something when the interpreter ends, unless nobody refers to it any more."""
    number = id(what)
    _closing[number] = weakref.ref(what, lambda _: _closing.pop(number, None))


def on_fork(what: Forks) -> None:
    """Tell something when this process has forked, in the child."""
    number = id(what)
    _forking[number] = weakref.ref(what, lambda _: _forking.pop(number, None))


def _close_all() -> None:
    for reference in list(_closing.values()):
        what = reference()
        if what is not None:
            what.close(drain=False, timeout_s=EXIT_WAIT_S)


def _tell_all() -> None:
    _closing.clear()
    for reference in list(_forking.values()):
        what = reference()
        if what is not None:
            what.forked()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_tell_all)
