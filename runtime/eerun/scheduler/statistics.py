"""What a scheduler has done since it began: counted on its own thread, read by metrics, status page and bench."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns

import numpy as np

from eerun.scheduler.histogram import Histogram
from eerun.scheduler.lanes.lane import Ran
from eerun.scheduler.request import Answered, Request

__all__ = ["CONFIDENCE_BOUNDS", "LATENCY_BOUNDS_US", "Snapshot", "Statistics"]

CONFIDENCE_BOUNDS = tuple(round(0.05 * step, 2) for step in range(1, 21))
"""Upper bounds of the histogram of confidence; a policy's score above 1 is in the last bucket."""

LATENCY_BOUNDS_US = tuple(
    float(round(mantissa * 10**power)) for power in range(2, 7) for mantissa in (1, 1.5, 2, 3, 5, 7)
)
"""Upper bounds of the histogram of request durations, 100 us to 7 s."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Sums since the scheduler began. Durations in ns; `[bounds + 1]` histograms end with what is above all bounds.

    Attributes:
        exits: names of the exits, shallow to deep.
        requests: calls that were answered.
        samples: samples that were answered, also those of calls that failed later.
        failures: calls that were not answered, by reason: names of error classes.
        queued_requests: calls that wait for their first segment now.
        queued_samples: their samples that wait.
        inside: rows that wait between segments now.
        batches: runs of the first segment.
        exit_count: `[exits]` samples answered at each exit.
        forced: samples that left because their call's `max_exit` said so.
        confidence: `[exits][bounds + 1]` histogram of the score at which samples left.
        segment_runs: `[segments]` runs of each segment.
        segment_rows: `[segments]` rows that they ran on, those that were dead among them.
        segment_alive: `[segments]` rows of them that were alive.
        segment_batch: `[segments][rows]` how often a segment ran on so many rows.
        segment_run_ns: `[segments]` time in the engine.
        boundary_ns: `[segments]` time behind the segment: decision, answers, compaction.
        queue_ns: Σ over answered calls of the time until their first sample entered.
        compute_ns: Σ of the time from there to the last answer.
        duration_ns: Σ of both.
        duration: `[bounds + 1]` histogram of the latter in µs, over `LATENCY_BOUNDS_US`.
        step: which certified thresholds are used: 0 as loaded, n the nth fallback.
        since_ns: `perf_counter_ns` when the scheduler began.
        taken_ns: `perf_counter_ns` of this snapshot.
        held: how often a segment ran although rows waited at a deeper one, for them to be merged.
        step_changes: how often `step` changed.
        step_samples: samples of answered calls by the step whose thresholds they had.
    """

    exits: tuple[str, ...]
    requests: int
    samples: int
    failures: dict[str, int]
    queued_requests: int
    queued_samples: int
    inside: int
    batches: int
    exit_count: tuple[int, ...]
    forced: int
    confidence: tuple[tuple[int, ...], ...]
    segment_runs: tuple[int, ...]
    segment_rows: tuple[int, ...]
    segment_alive: tuple[int, ...]
    segment_batch: tuple[tuple[int, ...], ...]
    segment_run_ns: tuple[int, ...]
    boundary_ns: tuple[int, ...]
    queue_ns: int
    compute_ns: int
    duration_ns: int
    duration: tuple[int, ...]
    step: int
    since_ns: int
    taken_ns: int
    held: int = 0
    step_changes: int = 0
    step_samples: dict[int, int] = field(default_factory=dict)


class Statistics:
    """See `Snapshot`. Lists of numbers, because most runs add to few of them.

    Args:
        exits: names of the exits.
        max_rows: the most rows of a run.
    """

    def __init__(self, exits: Sequence[str], *, max_rows: int) -> None:
        self._exits, count = tuple(exits), len(exits)
        self._lock = threading.Lock()
        self._since_ns = perf_counter_ns()
        self._requests = self._batches = self._forced = 0
        self._failures: Counter[str] = Counter()
        self._by_step: Counter[int] = Counter()
        self._left = [0] * count
        self._confidence = [Histogram(CONFIDENCE_BOUNDS) for _ in range(count)]
        self._runs = [[0] * count for _ in range(5)]
        self._batch = [[0] * (max_rows + 1) for _ in range(count)]
        self._queue_ns = self._compute_ns = 0
        self._duration = [0] * (len(LATENCY_BOUNDS_US) + 1)

    def ran(self, ran: Ran) -> None:
        """Count a run and the answers that it made."""
        with self._lock:
            for step in ran.steps:
                values = (1, step.rows, step.entered, step.run_ns, step.boundary_ns)
                for column, value in zip(self._runs, values, strict=True):
                    column[step.segment] += value
                self._batch[step.segment][step.rows] += 1
                self._batches += step.segment == 0
            for answered in ran.answered:
                if not answered.late:
                    self._count(answered)

    def answered(self, requests: Sequence[Request], now_ns: int) -> None:
        """Count calls whose last answers were just made."""
        with self._lock:
            self._requests += len(requests)
            duration, by_step = self._duration, self._by_step
            for request in requests:
                accepted_ns, started_ns = request.accepted_ns, request.started_ns
                self._queue_ns += started_ns - accepted_ns
                self._compute_ns += now_ns - started_ns
                duration[bisect_left(LATENCY_BOUNDS_US, (now_ns - accepted_ns) / 1000)] += 1
                by_step[request.step] += request.count

    def failed(self, reason: str) -> None:
        """Count a call that is not answered."""
        with self._lock:
            self._failures[reason] += 1

    def _count(self, answered: Answered) -> None:
        """Count answers of one exit."""
        exit_index = answered.exit_index
        self._left[exit_index] += len(answered.samples)
        self._confidence[exit_index].add(answered.confidence)
        if exit_index < len(self._exits) - 1:
            self._forced += _forced(answered)

    def snapshot(
        self,
        *,
        queued_requests: int = 0,
        queued_samples: int = 0,
        inside: int = 0,
        held: int = 0,
        step: int = 0,
        step_changes: int = 0,
    ) -> Snapshot:
        """Return the sums so far, with what only the scheduler knows of now."""
        with self._lock:
            runs = [tuple(column) for column in self._runs]
            return Snapshot(
                exits=self._exits,
                requests=self._requests,
                samples=sum(self._left),
                failures=dict(self._failures),
                queued_requests=queued_requests,
                queued_samples=queued_samples,
                inside=inside,
                held=held,
                batches=self._batches,
                exit_count=tuple(self._left),
                forced=self._forced,
                confidence=tuple([histogram.counts() for histogram in self._confidence]),
                segment_runs=runs[0],
                segment_rows=runs[1],
                segment_alive=runs[2],
                segment_batch=tuple(map(tuple, self._batch)),
                segment_run_ns=runs[3],
                boundary_ns=runs[4],
                queue_ns=self._queue_ns,
                compute_ns=self._compute_ns,
                duration_ns=self._queue_ns + self._compute_ns,
                duration=tuple(self._duration),
                step=step,
                step_changes=step_changes,
                step_samples=dict(self._by_step),
                since_ns=self._since_ns,
                taken_ns=perf_counter_ns(),
            )


def _forced(answered: Answered) -> int:
    """How many samples left only because their call's `max_exit` said so."""
    exit_index, total = answered.exit_index, 0
    if all(request.terms.max_exit > exit_index for request in answered.requests):
        return 0
    for part in answered.parts():
        terms = part.request.terms
        if terms.max_exit == exit_index < len(terms.thresholds):
            threshold = terms.thresholds[exit_index]
            passed = 0 if threshold is None else np.count_nonzero(part.confidence >= np.float32(threshold))
            total += len(part.samples) - int(passed)
    return total
