"""Counters of two versions of a model as one: their exits, segments and largest batches may differ."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from eerun.scheduler import Snapshot

__all__ = ["sum_snapshots"]


def sum_snapshots(first: Snapshot, second: Snapshot) -> Snapshot:
    """Return the sums of what only grows; what is so at one moment is the second's.

    Exits are put together by name, segments by number.
    """
    exits = (*first.exits, *(name for name in second.exits if name not in first.exits))
    return replace(
        second,
        exits=exits,
        requests=first.requests + second.requests,
        samples=first.samples + second.samples,
        failures=dict(Counter(first.failures) + Counter(second.failures)),
        batches=first.batches + second.batches,
        exit_count=tuple(_of(first, name)[0] + _of(second, name)[0] for name in exits),
        forced=first.forced + second.forced,
        confidence=tuple(_add(_of(first, name)[1], _of(second, name)[1]) for name in exits),
        segment_runs=_add(first.segment_runs, second.segment_runs),
        segment_rows=_add(first.segment_rows, second.segment_rows),
        segment_alive=_add(first.segment_alive, second.segment_alive),
        segment_batch=tuple(
            _add(one, other) for one, other in zip_longest(first.segment_batch, second.segment_batch, fillvalue=())
        ),
        segment_run_ns=_add(first.segment_run_ns, second.segment_run_ns),
        boundary_ns=_add(first.boundary_ns, second.boundary_ns),
        queue_ns=first.queue_ns + second.queue_ns,
        compute_ns=first.compute_ns + second.compute_ns,
        duration_ns=first.duration_ns + second.duration_ns,
        duration=_add(first.duration, second.duration),
        held=first.held + second.held,
        step_changes=first.step_changes + second.step_changes,
        step_samples=dict(Counter(first.step_samples) + Counter(second.step_samples)),
    )


def _of(seen: Snapshot, name: str) -> tuple[int, tuple[int, ...]]:
    """Samples that left at an exit, and the histogram of their scores; nothing where there is no such exit."""
    if name not in seen.exits:
        return 0, ()
    index = seen.exits.index(name)
    return seen.exit_count[index], seen.confidence[index]


def _add(first: Sequence[int], second: Sequence[int]) -> tuple[int, ...]:
    """Element by element; a shorter one has zeros behind it."""
    return tuple(one + other for one, other in zip_longest(first, second, fillvalue=0))
