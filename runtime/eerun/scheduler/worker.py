"""The threads of schedulers, which run engines and, between two runs, code of callers."""

import threading

__all__ = ["Worker", "on_worker"]


class Worker(threading.Thread):
    """A thread of a scheduler."""


def on_worker() -> bool:
    """Whether this is a thread of some scheduler: who waits here for a call that is queued may wait for himself."""
    return isinstance(threading.current_thread(), Worker)
