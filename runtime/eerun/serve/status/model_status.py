"""What one model of a server has done, as JSON."""

from typing import TYPE_CHECKING, Any

from eerun.serve.status.latency import percentile_ms

if TYPE_CHECKING:
    from eerun.bundle import Certificate
    from eerun.model import Model
    from eerun.scheduler import Snapshot
    from eerun.serve.repository import Repository
    from eerun.shadow import Metrics

__all__ = ["model_status"]


def model_status(repository: "Repository", name: str) -> dict[str, Any]:
    """Counters of a model since this version of it was loaded, and how it stands now.

    Durations carry their unit in the name. `exits[].confidence` and `latency.counts` are histograms over
    `confidence_bounds` and `latency_bounds_us` of the whole answer, with one bucket more for what is above;
    `segments[].batch` says how often a segment ran on so many rows. Percentiles and means are since the load.
    `failures` counts calls that the model did not answer, by class of error; `refused` those that did not reach it, by
    reason, since the server began.
    """
    served, reloads = repository.get(name), repository.reload_state(name)
    model, taken = served.model, served.model.statistics()
    refused = {
        reason.value: count
        for (model_name, reason), count in repository.counts.failures().items()
        if model_name == name
    }
    return {
        "name": name,
        "version": served.version,
        "engine": model.engine,
        "precision": model.precision,
        "max_batch": model.max_batch,
        "loaded_at_utc": served.loaded_at_utc,
        "uptime_s": (taken.taken_ns - taken.since_ns) / 1e9,
        "requests": taken.requests,
        "samples": taken.samples,
        "forced": taken.forced,
        "failures": dict(sorted(taken.failures.items())),
        "refused": dict(sorted(refused.items())),
        "queued_requests": taken.queued_requests,
        "queued_samples": taken.queued_samples,
        "inside_rows": taken.inside,
        "overload_step": taken.step,
        "healthy": model.healthy,
        "reloads": reloads.reloads,
        "reload_failures": reloads.reload_failures,
        "last_reload_error": reloads.last_reload_error,
        "latency": _latency(taken),
        "exits": _exits(model, taken),
        "segments": _segments(taken),
        "certificate": _certificate(model.certificate),
        "void": model.void,
        "shadow": _shadow(model.metrics),
    }


def _latency(taken: "Snapshot") -> dict[str, Any]:
    """From acceptance to the last answer of a call."""
    shares = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99}
    return {
        "counts": list(taken.duration),
        "queue_s": taken.queue_ns / 1e9,
        "compute_s": taken.compute_ns / 1e9,
        **{name: percentile_ms(taken.duration, share) for name, share in shares.items()},
    }


def _exits(model: "Model", taken: "Snapshot") -> list[dict[str, Any]]:
    """Shallow to deep."""
    thresholds = (*model.thresholds, None)
    return [
        {
            "name": name,
            "samples": count,
            "share": count / taken.samples if taken.samples else 0.0,
            "threshold": threshold,
            "confidence": list(confidence),
        }
        for name, count, threshold, confidence in zip(
            taken.exits, taken.exit_count, thresholds, taken.confidence, strict=True
        )
    ]


def _segments(taken: "Snapshot") -> list[dict[str, Any]]:
    """In the order in which they run."""
    columns = zip(
        taken.segment_runs,
        taken.segment_rows,
        taken.segment_alive,
        taken.segment_run_ns,
        taken.boundary_ns,
        taken.segment_batch,
        strict=True,
    )
    return [
        {
            "runs": runs,
            "rows": rows,
            "alive_rows": alive,
            "run_s": run_ns / 1e9,
            "boundary_s": boundary_ns / 1e9,
            "mean_batch": rows / max(runs, 1),
            "mean_ms": run_ns / 1e6 / max(runs, 1),
            "boundary_us": boundary_ns / 1e3 / max(runs, 1),
            "batch": list(batch),
        }
        for runs, rows, alive, run_ns, boundary_ns, batch in columns
    ]


def _certificate(certificate: "Certificate | None") -> dict[str, Any] | None:
    """What is promised of the thresholds."""
    if certificate is None:
        return None
    return {
        "risk": certificate.risk,
        "limit": certificate.limit,
        "confidence": certificate.confidence,
        "samples": certificate.samples,
    }


def _shadow(metrics: "Metrics | None") -> dict[str, Any] | None:
    """What watching has found."""
    if metrics is None:
        return None
    return {
        "watched": metrics.shadowed,
        "disagreements": metrics.disagreements,
        "estimate": metrics.estimate,
        "low": metrics.low,
        "high": metrics.high,
        "limit": metrics.limit,
        "step": metrics.step,
        "last_step": metrics.last_step,
        "alarms": metrics.alarms,
    }
