"""One line of log a request: what was answered at level debug, what was not as a warning, but never a flood of them."""

import asyncio
import logging
from collections import Counter

from eerun.serve.exchange import Exchange
from eerun.serve.logs import FIELDS
from eerun.serve.seen import CANCELED, Seen, seen_of

__all__ = ["RequestLog"]

NS_PER_MS = 1e6
AT_ONCE, WINDOW_S = 20, 1.0
"""So many requests that were not answered are written in so many seconds; of the others only how many there were."""

_log = logging.getLogger("eerun.requests")


class RequestLog:
    """An `Observer`. To be called on one event loop."""

    def __init__(self) -> None:
        self._refused = 0
        self._left_out: Counter[str] = Counter()

    def __call__(self, exchange: Exchange) -> None:
        """Write the line of a request."""
        if exchange.error is None and exchange.response is not None:
            if _log.isEnabledFor(logging.DEBUG):
                self._write_answered(seen_of(exchange))
            return
        if self._refused == 0:
            asyncio.get_running_loop().call_later(WINDOW_S, self._end_window)
        self._refused += 1
        if self._refused <= AT_ONCE:
            self._write_refused(seen_of(exchange))
        else:
            self._left_out[CANCELED if exchange.error is None else type(exchange.error).__name__] += 1

    def _write_answered(self, seen: Seen) -> None:
        fields = {
            **_named(seen),
            "samples": seen.samples,
            "exit_count": dict(seen.exit_count),
            "queue_ms": _ms(seen.queue_ns),
            "compute_ms": _ms(seen.compute_ns),
            "total_ms": _ms(seen.duration_ns),
        }
        _log.debug("answered", extra={FIELDS: fields})

    def _write_refused(self, seen: Seen) -> None:
        fields = {**_named(seen), "reason": seen.reason, "total_ms": _ms(seen.duration_ns)}
        _log.warning("not answered: %s", seen.words, extra={FIELDS: fields})

    def _end_window(self) -> None:
        """Say what was left out, and write again."""
        left_out, self._left_out, self._refused = self._left_out, Counter[str](), 0
        if left_out:
            fields = {"left_out": left_out.total(), "reasons": dict(left_out)}
            _log.warning("more requests were not answered than are logged", extra={FIELDS: fields})


def _named(seen: Seen) -> dict[str, object]:
    """Who asked for what, as far as it is known."""
    named = {"model": seen.model, "version": seen.version, "request_id": seen.request_id, "transport": seen.transport}
    return {name: value for name, value in named.items() if value}


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / NS_PER_MS, 3)
