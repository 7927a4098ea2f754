"""`POST v2/models/{model}[/versions/{version}]/infer`, without a framework between the server and the model."""

import asyncio
from collections.abc import Mapping, Sequence

from starlette.types import Receive, Scope, Send

from eengines.errors import EEError
from eerun.serve.body_budget import BodyShare
from eerun.serve.exchanges import Exchanges
from eerun.serve.oip.answer import answer
from eerun.serve.oip.declared import Declared, check_declared
from eerun.serve.oip.requests import InferRequest, InferResponse
from eerun.serve.repository import Repository, Served
from eerun.serve.rest.body import ARRIVED, ClientGoneError, read_body, unpack
from eerun.serve.rest.decode import Asked, decode_request
from eerun.serve.rest.defects import Defects
from eerun.serve.rest.encode import encode_response, pack
from eerun.serve.rest.errors_in_json import DEFECT, Header, error_body, error_headers
from eerun.serve.rest.watch_client import WatchClient
from eerun.serve.settings import ServeSettings

__all__ = ["Infer", "infer_target"]

START, END = "/v2/models/", "/infer"
LARGE = 256 * 1024
"""Bytes of a body from which on a thread reads and writes it, so that the loop goes on meanwhile."""
READ_AT_ONCE = 1
"""Large bodies; each takes several times its bytes while it is unpacked and decoded, and Python's lock now and then."""
TRACE = ((b"x-request-id", "x-request-id"), (b"traceparent", "traceparent"), (b"tracestate", "tracestate"))


def infer_target(path: str) -> tuple[str, str | None] | None:
    """Return model and version of the path of an inference request; None: it is the path of something else."""
    if not path.startswith(START) or not path.endswith(END):
        return None
    parts = path[len(START) : -len(END)].split("/")
    if len(parts) == 1 and parts[0]:
        return parts[0], None
    if len(parts) == 3 and parts[0] and parts[1] == "versions" and parts[2]:
        return parts[0], parts[2]
    return None


class Infer:
    """Answers inference requests.

    Args:
        repository: the models.
        settings: limits.
        exchanges: counts what failed, and tells logs and spans.
    """

    def __init__(self, repository: Repository, settings: ServeSettings, exchanges: Exchanges) -> None:
        self._repository, self._settings, self._exchanges = repository, settings, exchanges
        self._turns, self._defects = asyncio.Semaphore(READ_AT_ONCE), Defects()

    async def __call__(self, target: tuple[str, str | None], scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request over ASGI."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        status = 200
        try:
            arrived = ARRIVED in scope.get("state", ())
            more, body = await self._answer(target, headers, receive, arrived=arrived)
        except ClientGoneError:
            return
        except EEError as error:
            status, more, body = error.http_status, error_headers(error), error_body(str(error))
        except Exception as defect:  # noqa: BLE001 - whatever it is, the client gets an answer of the protocol
            self._defects.log(defect)
            status, more, body = 500, error_headers(None), error_body(DEFECT)
        more.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": more})
        await send({"type": "http.response.body", "body": body})

    async def _answer(
        self, target: tuple[str, str | None], headers: Mapping[bytes, bytes], receive: Receive, *, arrived: bool
    ) -> tuple[list[Header], bytes]:
        """Headers and body of the answer."""
        model, version = target
        trace = {name: headers[raw].decode("latin-1") for raw, name in TRACE if raw in headers}
        with self._exchanges.of(model, trace) as ongoing, self._repository.bodies.share() as share:
            served = self._repository.get(model, version)
            read = _Read(served, self._settings, headers, share, version)
            timeout_s = None if arrived else self._settings.request_timeout_s
            body = await read_body(headers, receive, most=served.most_bytes, timeout_s=timeout_s, share=share)
            asked = read(body) if read.at_once(body) else await self._read_in_turn(read, body)
            ongoing.request = asked.request
            response = await self._ask(asked.request, receive, ongoing.accepted_ns)
            ongoing.response = response
            accepted = headers.get(b"accept-encoding", b"")
            if sum(tensor.array.nbytes for tensor in response.outputs) > LARGE:
                return await asyncio.to_thread(_write, response, asked, accepted)
            return _write(response, asked, accepted)

    async def _read_in_turn(self, read: "_Read", body: bytes) -> Asked:
        """What a large body asks."""
        async with self._turns:
            return await asyncio.to_thread(read, body)

    async def _ask(self, request: InferRequest, receive: Receive, accepted_ns: int) -> InferResponse:
        """The model's answer, as long as the client waits for it."""
        watch = WatchClient(receive)
        try:
            with watch:
                return await answer(self._repository, request, accepted_ns=accepted_ns)
        except asyncio.CancelledError:
            if watch.gone:
                raise ClientGoneError from None
            raise


class _Read:
    """Makes a request of its body, in any thread."""

    def __init__(
        self,
        served: Served,
        settings: ServeSettings,
        headers: Mapping[bytes, bytes],
        share: BodyShare,
        version: str | None,
    ) -> None:
        self._served, self._headers, self._share, self._version = served, headers, share, version
        self._entries, self._samples = served.model.manifest.inputs, settings.scheduling.max_queue
        self._packed = b"content-encoding" in headers

    def at_once(self, body: bytes) -> bool:
        """Whether a body takes so little time that no thread needs to read it."""
        return len(body) <= LARGE and not self._packed

    def __call__(self, body: bytes) -> Asked:
        """Return what a body asks.

        Raises:
            UserError: see `unpack` and `decode_request`.
            FullError: the server holds too many bytes.
        """
        content = body
        if self._packed:
            content = unpack(body, self._headers[b"content-encoding"], most=self._served.most_bytes)
            self._share.take(len(content))
        return decode_request(
            content,
            self._headers.get(b"inference-header-content-length"),
            model=self._served.name,
            version=self._version,
            check=self._check,
        )

    def _check(self, declared: Sequence[Declared]) -> None:
        check_declared(self._entries, declared, most_samples=self._samples)


def _write(response: InferResponse, asked: Asked, accepted: bytes) -> tuple[list[Header], bytes]:
    headers, body = encode_response(response, asked)
    more, packed = pack(body, accepted)
    return [*headers, *more], packed
