"""Write defects of the server into the log, but not for each request of a flood."""

import logging
from time import monotonic

__all__ = ["Defects"]

EVERY_S = 10.0

_log = logging.getLogger("eerun.serve")


class Defects:
    """Tells where a defect is at most every ten seconds; to be called on one event loop."""

    def __init__(self) -> None:
        self._last_s: float | None = None

    def log(self, defect: Exception) -> None:
        """Write the traceback, unless one was written a moment ago."""
        now_s = monotonic()
        if self._last_s is None or now_s - self._last_s >= EVERY_S:
            self._last_s = now_s
            _log.error("a defect of the server: please report it", exc_info=defect)
