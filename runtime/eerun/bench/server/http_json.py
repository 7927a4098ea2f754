"""Ask a server for JSON or text, outside of what is measured."""

import http.client
from urllib.parse import urlsplit

import msgspec

from eengines.errors import EngineError, UserError
from eerun.bench.server.connection_pool import Address

__all__ = ["address_of", "ask", "ask_json"]

TIMEOUT_S = 30.0
DEFAULT_PORT = 80


def address_of(url: str) -> Address:
    """Return where `http://host:port` leads.

    Raises:
        UserError: it is something else.
    """
    words = f"--url {url}"
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UserError(words, f"is no address: {error}", "Give http://host:port") from error
    if parts.scheme not in ("", "http") or not host or parts.path not in ("", "/"):
        raise UserError(words, "expected http://host:port, without a path", "Give the address of the server alone")
    return Address(host=host, port=port or DEFAULT_PORT)


def ask(address: Address, path: str, *, method: str = "GET") -> tuple[int, bytes]:
    """Return status and body of one request.

    Raises:
        EngineError: nobody answers.
    """
    connection = http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, f"/{path}", body=b"{}" if method == "POST" else None)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        where = f"http://{address.host}:{address.port}"
        raise EngineError(where, f"no answer to /{path}: {error}", "Start the server, or give its address") from error
    finally:
        connection.close()


def ask_json(address: Address, path: str, kind: type, *, method: str = "GET") -> object:
    """Return an answer as `kind`.

    Raises:
        EngineError: nobody answers, or with another status than 200, or something else than such JSON.
    """
    status, body = ask(address, path, method=method)
    where = f"http://{address.host}:{address.port}/{path}"
    if status != 200:
        text = body[:200].decode(errors="replace")
        raise EngineError(where, f"answered {status} {text!r}, expected 200", "Is it an inference server (OIP v2)?")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        problem = f"answered something else than the protocol says: {error}"
        raise EngineError(where, problem, "Is it an inference server (OIP v2)?") from error
