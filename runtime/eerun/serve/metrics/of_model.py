"""What one model's scheduler and shadow have counted, as metrics."""

from collections import Counter
from collections.abc import Mapping, Sequence

from eerun.scheduler import CONFIDENCE_BOUNDS, LATENCY_BOUNDS_US, Snapshot
from eerun.serve.counts import Reason
from eerun.serve.metrics.sheet import Sheet
from eerun.shadow import Metrics

__all__ = ["write_counters", "write_now", "write_watched_counters", "write_watched_now"]

NS_PER_US = 1000
REASONS = {
    "OverloadError": Reason.REJECTED,
    "DeadlineError": Reason.REJECTED,
    "ClosedError": Reason.REJECTED,
    "CancelledError": Reason.CANCELED,
    "EngineError": Reason.BACKEND,
}
"""Of the errors that a scheduler counts; of all others `OTHER`."""


def write_counters(sheet: Sheet, labels: Sequence[str], seen: Snapshot) -> None:
    """Write what only grows.

    Args:
        sheet: to write to.
        labels: model and version.
        seen: what its scheduler has done.
    """
    sheet.add("nv_inference_request_success", seen.requests, *labels)
    for reason, count in _by_reason(seen.failures).items():
        sheet.add("nv_inference_request_failure", count, *labels, reason)
    sheet.add("nv_inference_count", seen.samples, *labels)
    sheet.add("nv_inference_exec_count", seen.batches, *labels)
    sheet.add("nv_inference_request_duration_us", seen.duration_ns / NS_PER_US, *labels)
    sheet.add("nv_inference_queue_duration_us", seen.queue_ns / NS_PER_US, *labels)
    sheet.add("nv_inference_compute_infer_duration_us", seen.compute_ns / NS_PER_US, *labels)
    total_us = seen.duration_ns / NS_PER_US
    sheet.histogram("ee_request_duration_us", seen.duration, LATENCY_BOUNDS_US, labels, total=total_us)
    sheet.add_each("ee_exit_count", seen.exit_count, labels, seen.exits)
    sheet.add("ee_forced_exit_count", seen.forced, *labels)
    for name, counts in zip(seen.exits, seen.confidence, strict=True):
        sheet.histogram("ee_exit_confidence", counts, CONFIDENCE_BOUNDS, (*labels, name), total=None)
    sheet.add("ee_hold_count", seen.held, *labels)
    sheet.add("ee_overload_step_change_count", seen.step_changes, *labels)
    for step, count in sorted(seen.step_samples.items()):
        sheet.add("ee_step_sample_count", count, *labels, str(step))
    _write_segments(sheet, labels, seen)


def _by_reason(failures: Mapping[str, int]) -> Counter[Reason]:
    """How often each reason holds, also those that never did."""
    found = Counter(dict.fromkeys(Reason, 0))
    for name, count in failures.items():
        found[REASONS.get(name, Reason.OTHER)] += count
    return found


def _write_segments(sheet: Sheet, labels: Sequence[str], seen: Snapshot) -> None:
    segments = [str(index) for index in range(len(seen.segment_runs))]
    sheet.add_each("ee_segment_exec_count", seen.segment_runs, labels, segments)
    sheet.add_each("ee_segment_alive_count", seen.segment_alive, labels, segments)
    run_us = [ns / NS_PER_US for ns in seen.segment_run_ns]
    sheet.add_each("ee_segment_compute_duration_us", run_us, labels, segments)
    boundary_us = [ns / NS_PER_US for ns in seen.boundary_ns]
    sheet.add_each("ee_boundary_duration_us", boundary_us, labels, segments)
    for index, by_rows in enumerate(seen.segment_batch):
        bounds, counts = _in_powers_of_two(by_rows)
        rows = seen.segment_rows[index]
        sheet.histogram("ee_segment_batch_size", counts, bounds, (*labels, str(index)), total=rows)


def write_now(sheet: Sheet, labels: Sequence[str], seen: Snapshot) -> None:
    """Write what is so at this moment."""
    sheet.add("nv_inference_pending_request_count", seen.queued_requests, *labels)
    sheet.add("ee_queue_samples", seen.queued_samples, *labels)
    sheet.add("ee_inside_rows", seen.inside, *labels)
    sheet.add("ee_overload_step", seen.step, *labels)


def write_watched_counters(sheet: Sheet, labels: Sequence[str], watched: Metrics) -> None:
    """Write what only grows of what the shadow has seen."""
    sheet.add("ee_shadow_total", watched.shadowed, *labels)
    sheet.add("ee_shadow_disagreement_total", watched.disagreements, *labels)
    sheet.add("ee_shadow_alarm_total", watched.alarms, *labels)


def write_watched_now(sheet: Sheet, labels: Sequence[str], watched: Metrics) -> None:
    """Write what the shadow says at this moment."""
    sheet.add("ee_risk_upper_bound", watched.high, *labels)
    if watched.limit is not None:
        sheet.add("ee_risk_limit", watched.limit, *labels)
    sheet.add("ee_fallback_active", watched.step > 0, *labels)
    sheet.add("ee_fallback_step", watched.step, *labels)


def _in_powers_of_two(by_rows: Sequence[int]) -> tuple[list[float], list[int]]:
    """Bounds 1, 2, 4, ... up to the most rows, and how many runs are in each bucket, with an empty one above."""
    most = len(by_rows) - 1
    bounds = [1]
    while bounds[-1] < most:
        bounds.append(min(2 * bounds[-1], most))
    starts = [0, *(bound + 1 for bound in bounds)]
    counts = [sum(by_rows[start : bound + 1]) for start, bound in zip(starts, bounds, strict=False)]
    return [float(bound) for bound in bounds], [*counts, 0]
