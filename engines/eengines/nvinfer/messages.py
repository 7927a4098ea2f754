"""What the library says, kept by thread.

A process has one logger for each module: TensorRT keeps the first that it is given and ignores all others. It calls the
logger on the thread that called it, so that what a build says is told from what another says at the same time.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

from eengines.nvinfer import api
from eengines.nvinfer.library_api import TensorRt

__all__ = ["Messages", "last_message", "logger_of", "messages"]

_log = logging.getLogger("eengines")


@dataclass
class Messages:
    """What was said on one thread while it was listened to."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All errors, one a line."""
        return "\n".join(self.errors)


_listening: dict[int, list[Messages]] = {}
_unheard: dict[int, str] = {}
_loggers: dict[str, api.ILogger] = {}
_making = threading.Lock()


@contextmanager
def messages() -> Iterator[Messages]:
    """Listen to what the library says on this thread; the innermost listener gets it."""
    thread, heard = threading.get_ident(), Messages()
    _listening.setdefault(thread, []).append(heard)
    try:
        yield heard
    finally:
        _listening[thread].pop()
        if not _listening[thread]:
            del _listening[thread]


def last_message() -> str:
    """Return, once, the last error or warning of this thread that nobody listened to; empty: there is none."""
    return _unheard.pop(threading.get_ident(), "")


def logger_of(trt: TensorRt) -> api.ILogger:
    """Return the one logger of this process for a module."""
    with _making:
        name = trt.ILogger.__module__
        if name not in _loggers:
            _loggers[name] = _make_logger(trt)
        return _loggers[name]


def _make_logger(trt: TensorRt) -> api.ILogger:
    """An instance of a subclass of theirs. Exceptions of `log` would end the process: nothing in it can raise."""
    severity = trt.ILogger.Severity

    def log(_: api.ILogger, level: api.LogSeverity, text: str) -> None:
        if int(level) > int(severity.WARNING):
            return
        heard = _listening.get(threading.get_ident())
        if not heard:
            _unheard[threading.get_ident()] = text
            _log.warning("%s", text)
        elif int(level) <= int(severity.ERROR):
            heard[-1].errors.append(text)
        else:
            heard[-1].warnings.append(text)

    return cast("api.ILogger", type("Logger", (trt.ILogger,), {"log": log})())
