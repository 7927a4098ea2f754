"""Ask a server for `/status.json`."""

import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from eengines.errors import UserError

__all__ = ["StatusClient"]

WAIT_S = 5.0
MAX_BYTES = 64 << 20
FORMAT = "eerun.status/1."
"""What `/status.json` begins with that this program reads."""


class StatusClient:
    """Reads what one server says of itself.

    Args:
        url: `http://host:port`, also without the scheme.

    Raises:
        UserError: not an address.
    """

    def __init__(self, url: str) -> None:
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        try:
            parts = urlsplit(self.url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            parts, self._host, self._port = urlsplit(""), "", None
        if parts.scheme not in ("http", "https") or not self._host:
            raise UserError(
                "URL", f"got {url!r}, expected http://host:port", "Give the address that the server printed"
            )
        self._kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._path = f"{parts.path}/status.json"

    def ask(self) -> dict[str, Any]:
        """Return the figures, see `eerun.serve.status.status`.

        Raises:
            UserError: nothing answers there, or something else does.
        """
        connection = self._kind(self._host, self._port, timeout=WAIT_S)
        try:
            connection.request("GET", self._path)
            answer = connection.getresponse()
            code, body = answer.status, answer.read(MAX_BYTES)
        except (OSError, HTTPException) as error:
            problem = f"nothing answers there ({error or type(error).__name__})"
            raise UserError(self.url, problem, "Start one with `eerun serve BUNDLE`, or give its address") from None
        finally:
            connection.close()
        return self._checked(code, body)

    def _checked(self, code: int, body: bytes) -> dict[str, Any]:
        """The figures, if that is what came."""
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        form = found.get("format") if isinstance(found, dict) else None
        if code != 200 or not isinstance(found, dict) or not str(form).startswith(FORMAT):
            problem = f"got HTTP {code} and format {str(form)[:32]!r} at {self._path}, expected {FORMAT}x"
            raise UserError(self.url, problem, "Give the address of an `eerun serve` of the same version")
        return found
