"""What a model has done, as Triton's statistics extension tells it."""

from typing import Any

from eerun.serve.grpc.messages import message
from eerun.serve.repository import Served

__all__ = ["model_statistics"]

_Statistics = message("ModelStatistics")


def model_statistics(served: Served) -> Any:
    """Return a `ModelStatistics`. Times are sums over requests; those of failed requests are not known, and 0."""
    seen = served.model.statistics()
    found = _Statistics(
        name=served.name, version=served.version, inference_count=seen.samples, execution_count=seen.batches
    )
    for part, count, ns in (
        ("success", seen.requests, seen.duration_ns),
        ("fail", sum(seen.failures.values()), 0),
        ("queue", seen.requests, seen.queue_ns),
        ("compute_infer", seen.requests, seen.compute_ns),
    ):
        duration = getattr(found.inference_stats, part)
        duration.count, duration.ns = count, ns
    return found
