"""Make the server's bound on connections one that the process can keep: each connection is an open file."""

import logging
import resource
from dataclasses import replace

from eengines.errors import UserError
from eerun.serve.settings import ServeSettings

__all__ = ["SPARE_FILES", "fit_connections"]

SPARE_FILES = 64
"""Open files for all else: those that come only to be refused, scrapers, and a bundle that is read again."""

_log = logging.getLogger("eerun.serve")


def fit_connections(settings: ServeSettings, *, open_now: int) -> ServeSettings:
    """Raise the process' soft limit on open files as far as needed and allowed; return settings that fit below it.

    Args:
        settings: `max_connections` counts twice where there is gRPC, which has as many of its own.
        open_now: files that the process has open.

    Raises:
        UserError: there is no room for even one connection.
    """
    shares = 1 if settings.grpc_port is None else 2
    wanted = open_now + shares * settings.max_connections + SPARE_FILES
    limit = _raise_limit(wanted)
    if limit >= wanted:
        return settings
    fits = (limit - open_now - SPARE_FILES) // shares
    if fits < 1:
        problem = f"{limit} files may be open and {open_now} are, which leaves no room for connections"
        raise UserError("open files", problem, f"Raise the limit: ulimit -n {wanted}")
    _log.warning(
        "at most %d connections, not %d: only %d files may be open (`ulimit -n %d` allows all)",
        *(fits, settings.max_connections, limit, wanted),
    )
    return replace(settings, max_connections=fits)


def _raise_limit(wanted: int) -> int:
    """Return how many files may be open now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return max(soft, wanted)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(allowed, soft)
