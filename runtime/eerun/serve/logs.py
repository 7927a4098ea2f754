"""Logs of a server: text for people, or one JSON object a line."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

__all__ = ["JsonLines", "TextLines", "open_logs"]

FIELDS = "fields"
"""Name of the attribute of a record that has its fields: `log.info("...", extra={FIELDS: {...}})`."""


def open_logs(log_format: str, *, level: int = logging.INFO, stream: TextIO | None = None) -> logging.Handler:
    """Let everything that this process logs go to one stream, in one form; return the handler, which can be removed.

    Args:
        log_format: `text` or `json`.
        level: the least that is shown; requests that were answered are at `logging.DEBUG`.
        stream: where to; None: standard error.
    """
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(max(level, logging.INFO))
    logging.getLogger("eerun").setLevel(level)
    return handler


class JsonLines(logging.Formatter):
    """One object a line: time (UTC), level, message, the record's fields, and where there is one the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info is not None:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """The same for people: time, level, message, and fields as `name=value`; one line, but for a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        fields = [f"{name}={_shown(value)}" for name, value in _fields(record).items()]
        message = _on_one_line(record.getMessage())
        line = " ".join([_time(record), record.levelname.lower().ljust(7), message, *fields])
        return line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    found = getattr(record, FIELDS, None)
    return found if isinstance(found, Mapping) else {}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(value: object) -> str:
    """A value as one word; what a client sent cannot look like another field or another line."""
    if isinstance(value, Mapping):
        return ",".join(f"{_shown(name)}:{_shown(each)}" for name, each in value.items()) or "-"
    text = str(value)
    plain = text.isprintable() and not any(sign in text for sign in ' ="\\')
    return text if plain and text else json.dumps(text)


def _on_one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)
