"""Keep a fault that repeats thousands of times a second from filling the disk with one line."""

import logging
import threading
from time import monotonic

__all__ = ["EVERY_S", "LogRate"]

EVERY_S = 10.0
"""The same message of a logger is written at most once in so many seconds."""
MOST_MESSAGES = 256


class LogRate(logging.Filter):
    """Lets the same message of a logger through once in `EVERY_S`; the next one says how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._since: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        key, now = record.getMessage().partition("\n")[0], monotonic()
        with self._lock:
            written_s, left_out = self._since.get(key, (-EVERY_S, 0))
            if now - written_s < EVERY_S:
                self._since[key] = written_s, left_out + 1
                return False
            if len(self._since) >= MOST_MESSAGES:
                self._since.clear()
            self._since[key] = now, 0
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} times more since the last such line)", ()
        return True
