"""From what the load generator wrote down to figures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eerun.bench.server.expected import Checked
from eerun.bench.server.load_result import BlockSummary, Constraints, Generator, LoadSummary, QueryLatency
from eerun.bench.server.recorded import LOST, UNANSWERED, Recorded
from eerun.bench.server.server_counts import ServerCounts
from eerun.bench.server.settings import LoadSettings

__all__ = ["LATE_MS", "Seen", "share_within", "summarise_load"]

PERCENTILES = (50.0, 90.0, 95.0, 97.0, 99.0, 99.9)
NS_PER_MS, NS_PER_S = 1e6, 1e9
REFUSED = (503, 504)

LATE_MS = 1.0
"""A query that is sent later than that after its time is counted as late."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What is known of one server beside its answers; see `LoadSummary`."""

    server: str
    model: str
    qps: float
    counts: ServerCounts | None = None
    server_cpu_s: float | None = None
    checked: Checked | None = None


def share_within(recorded: Recorded, slo_ns: int) -> float:
    """Return the share of the queries of a block that was answered within the promised latency."""
    return float(_within(recorded, slo_ns).mean())


def summarise_load(seen: Seen, blocks: Sequence[Recorded], settings: LoadSettings) -> LoadSummary:
    """Summarise the blocks of one server."""
    summaries = tuple(_block(recorded, settings.slo_ns) for recorded in blocks)
    seconds, queries = sum(block.seconds for block in summaries), sum(block.queries for block in summaries)
    status, within = np.concatenate([block.status for block in blocks]), sum(block.within_slo for block in summaries)
    sent = sum(block.all_queries for block in blocks)
    return LoadSummary(
        server=seen.server,
        model=seen.model,
        qps=seen.qps,
        queries=queries,
        samples_a_query=settings.batch,
        seconds=seconds,
        scheduled_qps=queries / seconds,
        completed_qps=sum(_completed(block, settings.slo_ns) for block in blocks) / seconds,
        within_slo=within,
        goodput_qps=within / seconds,
        answered=int((status == 200).sum()),
        refused=_kinds(status[np.isin(status, REFUSED)]),
        failed=_kinds(status[~np.isin(status, (*REFUSED, 200))]),
        latency=_latency(blocks),
        constraints=_constraints(blocks, settings, seconds=seconds),
        generator=_generator(blocks),
        exits={} if seen.counts is None else seen.counts.exits,
        segments=() if seen.counts is None else seen.counts.segments,
        queue_ms=None if seen.counts is None else seen.counts.queue_ms,
        compute_ms=None if seen.counts is None else seen.counts.compute_ms,
        server_cpu_ms=None if seen.server_cpu_s is None else seen.server_cpu_s * 1000 / sent,
        checked=seen.checked,
        blocks=summaries,
    )


def _within(recorded: Recorded, slo_ns: int) -> NDArray[np.bool_]:
    return recorded.answered & (recorded.latency_ns <= slo_ns)


def _block(recorded: Recorded, slo_ns: int) -> BlockSummary:
    within, seconds = int(_within(recorded, slo_ns).sum()), recorded.length_ns / NS_PER_S
    return BlockSummary(queries=len(recorded.status), seconds=seconds, within_slo=within, goodput_qps=within / seconds)


def _completed(recorded: Recorded, slo_ns: int) -> int:
    """Answers that came while there was load, or within the promised latency of its end.

    Later ones would make a server that is too slow look as fast as its load: it answers what piled up when no more
    comes.
    """
    end_ns = max(int(recorded.due_ns[-1]), recorded.start_ns + recorded.length_ns) + slo_ns
    return int((recorded.answered & (recorded.done_ns <= end_ns)).sum())


def _kinds(status: NDArray[np.int16]) -> dict[str, int]:
    names = {LOST: "connection lost", UNANSWERED: "no answer"}
    counted = Counter(names.get(value, f"HTTP {value}") for value in status.tolist())
    return dict(sorted(counted.items()))


def _all_latencies(blocks: Sequence[Recorded]) -> NDArray[np.float64]:
    """Ascending `[queries]` nanoseconds, infinite where there is no answer."""
    latencies = [np.where(block.answered, block.latency_ns, np.inf) for block in blocks]
    return np.sort(np.concatenate(latencies))


def _latency(blocks: Sequence[Recorded]) -> QueryLatency:
    latencies = _all_latencies(blocks) / NS_PER_MS
    answered = latencies[np.isfinite(latencies)]
    return QueryLatency(
        min_ms=float(answered[0]) if len(answered) else None,
        max_ms=float(answered[-1]) if len(answered) else None,
        mean_ms=float(answered.mean()) if len(answered) else None,
        percentiles_ms={f"{percent:g}": _rank(latencies, percent) for percent in PERCENTILES},
    )


def _rank(ascending: NDArray[np.float64], percent: float) -> float | None:
    """The smallest value that `percent` % do not exceed (nearest rank); None: it is infinite."""
    value = float(ascending[max(int(np.ceil(len(ascending) * percent / 100)) - 1, 0)])
    return value if np.isfinite(value) else None


def _constraints(blocks: Sequence[Recorded], settings: LoadSettings, *, seconds: float) -> Constraints:
    """Hold a run against what was asked for."""
    latencies = _all_latencies(blocks)
    kept = float((latencies <= settings.slo_ns).mean())
    reached = _rank(latencies / NS_PER_MS, settings.percentile)
    performance = reached is not None and reached <= settings.slo_ms
    min_duration, min_queries = seconds >= settings.duration_s * (1 - 1e-9), len(latencies) >= settings.min_queries
    reasons = []
    if not performance:
        words = "is not there, too many have no answer" if reached is None else f"is {reached:.3g} ms"
        reasons.append(
            f"percentile {settings.percentile:g} of latency {words}, expected at most {settings.slo_ms:g} ms "
            f"({kept:.2%} of the queries keep it)"
        )
    if not min_duration:
        reasons.append(f"the load lasted {seconds:.3g} s, expected at least {settings.duration_s:g} s")
    if not min_queries:
        reasons.append(f"there were {len(latencies)} queries, expected at least {settings.min_queries}")
    return Constraints(
        performance=performance, min_duration=min_duration, min_queries=min_queries, reasons=tuple(reasons)
    )


def _generator(blocks: Sequence[Recorded]) -> Generator:
    late_ms = np.concatenate([block.late_ns for block in blocks]) / NS_PER_MS
    return Generator(
        late=int((late_ms > LATE_MS).sum()),
        late_ms={f"{percent:g}": _rank(np.sort(late_ms), percent) or 0.0 for percent in (50.0, 99.0, 100.0)},
        waited=sum(block.waited for block in blocks),
        connections=max(block.connections for block in blocks),
        opened=sum(block.opened for block in blocks),
        cpu_us=sum(block.cpu_ns for block in blocks) / 1000 / sum(block.all_queries for block in blocks),
    )
