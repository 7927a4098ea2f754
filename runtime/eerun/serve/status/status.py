"""The figures of `/status.json`."""

import os
from time import perf_counter_ns, process_time
from typing import TYPE_CHECKING, Any

from eerun.scheduler.statistics import CONFIDENCE_BOUNDS, LATENCY_BOUNDS_US
from eerun.serve.status.model_status import model_status

if TYPE_CHECKING:
    from eerun.serve.repository import Repository

__all__ = ["FORMAT", "status"]

FORMAT = "eerun.status/1.0"

BEGAN_NS = perf_counter_ns()
"""When this process imported the server."""


def status(repository: "Repository") -> dict[str, Any]:
    """What is served and what it has done: counters since each model was loaded; a reader makes rates of two of these.

    Returns:
        Numbers, strings, lists and dictionaries, all numbers finite. `taken_s` is a clock that never goes back, for
        differences alone. `models` has one entry for each name, see `model_status`.
    """
    now_ns = perf_counter_ns()
    return {
        "format": FORMAT,
        "ready": repository.ready(),
        "draining": repository.draining,
        "taken_s": now_ns / 1e9,
        "uptime_s": (now_ns - BEGAN_NS) / 1e9,
        "process": {"pid": os.getpid(), "cpu_s": process_time(), "memory_bytes": _memory_bytes()},
        "confidence_bounds": list(CONFIDENCE_BOUNDS),
        "latency_bounds_us": list(LATENCY_BOUNDS_US),
        "models": [model_status(repository, name) for name in repository.names()],
    }


def _memory_bytes() -> int:
    """Memory of this process that is in RAM."""
    import psutil

    return int(psutil.Process().memory_info().rss)
