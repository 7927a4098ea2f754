"""What a model has done, in the form of Triton's statistics extension."""

from typing import Any

from eerun.serve.repository import Served

__all__ = ["model_statistics"]


def model_statistics(served: Served) -> dict[str, Any]:
    """Return the statistics of one model since it was loaded, as every transport tells them; durations in ns.

    `queue` is the time until the first sample of a request ran, `compute_infer` from there to its last answer. What
    Triton calls compute input and output is part of the latter here; their count stays 0.
    """
    taken = served.model.statistics()
    nothing = {"count": 0, "ns": 0}
    return {
        "name": served.name,
        "version": served.version,
        "inference_count": taken.samples,
        "execution_count": taken.batches,
        "inference_stats": {
            "success": {"count": taken.requests, "ns": taken.duration_ns},
            "fail": {"count": sum(taken.failures.values()), "ns": 0},
            "queue": {"count": taken.requests, "ns": taken.queue_ns},
            "compute_input": nothing,
            "compute_infer": {"count": taken.requests, "ns": taken.compute_ns},
            "compute_output": nothing,
            "cache_hit": nothing,
            "cache_miss": nothing,
        },
        "batch_stats": [],
    }
