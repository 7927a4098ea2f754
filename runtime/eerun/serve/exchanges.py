"""Surround requests: those that failed are counted where no scheduler saw them, logs and spans hear of all."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter_ns

from eengines.errors import EEError, EngineError, RefusedError
from eerun.serve.counts import Reason, reason_of
from eerun.serve.errors import FullError, LateError, UnknownModelError
from eerun.serve.exchange import Exchange, Observer
from eerun.serve.oip.requests import InferRequest, InferResponse
from eerun.serve.repository import Repository
from eerun.serve.told import told

__all__ = ["Exchanges", "Ongoing"]


@dataclass(kw_only=True)
class Ongoing:
    """A request that is being answered; transports fill in what they learn. See `Exchange`."""

    accepted_ns: int = field(default_factory=perf_counter_ns)
    request: InferRequest | None = None
    response: InferResponse | None = None
    error: Exception | None = None


class Exchanges:
    """Counts requests that failed where no scheduler saw it, and tells observers of all.

    Args:
        transport: `rest` or `grpc`.
        repository: the models, and the counts.
        observers: are told.
    """

    def __init__(self, transport: str, repository: Repository, observers: Sequence[Observer] = ()) -> None:
        self._transport, self._repository, self._observers = transport, repository, tuple(observers)

    @contextmanager
    def of(self, model: str, headers: Mapping[str, str]) -> Iterator[Ongoing]:
        """Surround all that is done to answer a request.

        Args:
            model: that is asked for.
            headers: names in lower case.

        Raises:
            EEError: that of the block, as clients may see it; see `told`.
        """
        ongoing = Ongoing()
        try:
            yield ongoing
        except asyncio.CancelledError:
            if ongoing.request is None:  # else the scheduler has counted it, or answers it all the same
                self._count(model, Reason.CANCELED)
            raise
        except EEError as error:
            ongoing.error = error
            if not _seen_by_scheduler(error):
                self._count(model, reason_of(error))
            raise self._told(model, error) from None
        except Exception as defect:
            ongoing.error = defect
            self._count(model, Reason.OTHER)
            raise
        finally:
            if self._observers:
                self._tell(model, headers, ongoing)

    def _count(self, model: str, reason: Reason) -> None:
        """Count it, unless nobody has a model of that name: clients must not make up labels."""
        if model in self._repository.names():
            self._repository.counts.failed(model, reason)

    def _told(self, model: str, error: EEError) -> EEError:
        try:
            return told(error, self._repository.get(model))
        except UnknownModelError:
            return error

    def _tell(self, model: str, headers: Mapping[str, str], ongoing: Ongoing) -> None:
        exchange = Exchange(
            transport=self._transport,
            model=model,
            request=ongoing.request,
            response=ongoing.response,
            error=ongoing.error,
            headers=headers,
            accepted_ns=ongoing.accepted_ns,
            ended_ns=perf_counter_ns(),
        )
        for observer in self._observers:
            observer(exchange)


def _seen_by_scheduler(error: EEError) -> bool:
    """Whether a scheduler has counted the request: as failed, or as answered where the answer cannot be written."""
    return isinstance(error, RefusedError | EngineError) and not isinstance(error, FullError | LateError)
