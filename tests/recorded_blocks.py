"""Blocks of a load test, made by hand: tests of what is computed from them."""

from collections.abc import Sequence

import numpy as np

from eerun.bench.server.recorded import Recorded

__all__ = ["block"]


def block(
    latency_ms: Sequence[float],
    *,
    status: Sequence[int] | None = None,
    late_ms: float = 0.1,
    bodies: Sequence[bytes] | None = None,
    query: Sequence[int] | None = None,
) -> Recorded:
    """A block with a query every 10 ms."""
    count = len(latency_ms)
    due = np.arange(1, count + 1) * 10_000_000
    return Recorded(
        due_ns=due,
        sent_ns=due + int(late_ms * 1e6),
        done_ns=due + (np.array(latency_ms) * 1e6).astype(np.int64),
        status=np.array([200] * count if status is None else status, np.int16),
        query=np.zeros(count, np.int64) if query is None else np.array(query),
        bodies=tuple(bodies or [b""] * count),
        header_lengths=np.zeros(count, np.int64),
        start_ns=0,
        length_ns=count * 10_000_000,
        waited=0,
        connections=3,
        opened=1,
        cpu_ns=count * 50_000,
        all_queries=count,
    )
