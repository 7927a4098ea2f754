"""The addresses that a server listens at, taken before anything slow is done."""

import socket
from contextlib import ExitStack
from dataclasses import dataclass

from eengines.errors import UserError
from eerun.serve.settings import ServeSettings

__all__ = ["Sockets", "in_url", "open_sockets", "web_address"]


@dataclass(frozen=True, kw_only=True)
class Sockets:
    """Sockets that are bound, but do not listen yet.

    Attributes:
        http: of everything.
        metrics: of nothing but `/metrics`; None: there is none.
    """

    http: socket.socket
    metrics: socket.socket | None

    def close(self) -> None:
        """Give the addresses back."""
        self.http.close()
        if self.metrics is not None:
            self.metrics.close()


def open_sockets(settings: ServeSettings) -> Sockets:
    """Take the addresses of the settings.

    Raises:
        UserError: one is taken, or is not of this machine.
    """
    with ExitStack() as stack:
        http = stack.enter_context(_bind(settings.host, settings.port, "port"))
        metrics = None
        if settings.metrics_port is not None:
            metrics = stack.enter_context(_bind(settings.host, settings.metrics_port, "metrics_port"))
        stack.pop_all()
        return Sockets(http=http, metrics=metrics)


def web_address(sock: socket.socket) -> str:
    """Return the address of a socket as in a URL, `127.0.0.1:8000`."""
    host, port = sock.getsockname()[:2]
    return f"{in_url(host)}:{port}"


def in_url(host: str) -> str:
    """Return a host as in a URL: addresses of IPv6 have brackets."""
    return f"[{host}]" if ":" in host else host


def _bind(host: str, port: int, where: str) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        problem = f"cannot listen at {host}, port {port}: {error.strerror}"
        raise UserError(where, problem, "Give another address or port, or port 0 for a free one") from error
    return sock
