"""How many threads engines use."""

import os

from eengines.errors import UserError

__all__ = ["default_threads", "threads_or_default"]


def default_threads() -> int:
    """One for each core that this process may use."""
    return len(os.sched_getaffinity(0))


def threads_or_default(threads: int | None) -> int:
    """Check a number of threads, or return the default."""
    if threads is not None and threads < 1:
        raise UserError("threads", f"got {threads}, expected at least 1", "Give a positive number")
    return default_threads() if threads is None else threads
