"""What a model did between two looks at `/status.json`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eerun.serve.status.latency import percentile_ms

__all__ = ["Between", "between"]


@dataclass(frozen=True, kw_only=True)
class Between:
    """Rates and means of one model over a time.

    Attributes:
        seconds: how long it was.
        requests_per_s: calls answered a second.
        samples_per_s: samples answered a second.
        failures_per_s: calls a second that were not answered, whatever the reason.
        p50_ms: half of the calls took at most so long; None: none was answered.
        p90_ms: nine tenths.
        p99_ms: all but one in a hundred.
        shares: `[exits]` of the samples that were answered; zeros if there were none.
        mean_batch: `[segments]` rows a run; 0 where it did not run.
        mean_ms: `[segments]` time of a run in the engine.
        boundary_us: `[segments]` time behind a run.
        alive: `[segments]` share of the rows that were alive.
    """

    seconds: float
    requests_per_s: float
    samples_per_s: float
    failures_per_s: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    shares: tuple[float, ...]
    mean_batch: tuple[float, ...]
    mean_ms: tuple[float, ...]
    boundary_us: tuple[float, ...]
    alive: tuple[float, ...]


def between(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Between:
    """Compare two entries of `models` of the same name; see `Between`.

    Args:
        before: the earlier; None, or of another version or process: everything since the model was loaded counts.
        after: the later.
    """
    if before is not None and not _continues(before, after):
        before = None
    seconds = after["uptime_s"] - (0.0 if before is None else before["uptime_s"])
    counts = list(map(int, _less(after["latency"]["counts"], None if before is None else before["latency"]["counts"])))
    samples = _column("exits", "samples", before, after)
    runs, rows, alive, run_s, boundary_s = (
        _column("segments", name, before, after) for name in ("runs", "rows", "alive_rows", "run_s", "boundary_s")
    )
    failures = sum(after["failures"].values()) if before is None else _failed(after) - _failed(before)
    return Between(
        seconds=seconds,
        requests_per_s=_over(sum(counts), seconds),
        samples_per_s=_over(sum(samples), seconds),
        failures_per_s=_over(failures, seconds),
        p50_ms=percentile_ms(counts, 0.5),
        p90_ms=percentile_ms(counts, 0.9),
        p99_ms=percentile_ms(counts, 0.99),
        shares=tuple(_over(count, sum(samples)) for count in samples),
        mean_batch=tuple(map(_over, rows, runs)),
        mean_ms=tuple(1e3 * _over(time, count) for time, count in zip(run_s, runs, strict=True)),
        boundary_us=tuple(1e6 * _over(time, count) for time, count in zip(boundary_s, runs, strict=True)),
        alive=tuple(map(_over, alive, rows)),
    )


def _continues(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether both are of the same model in the same process."""
    same = all(before[key] == after[key] for key in ("name", "version", "loaded_at_utc"))
    return bool(same and before["uptime_s"] < after["uptime_s"] and before["requests"] <= after["requests"])


def _failed(model: Mapping[str, Any]) -> int:
    """Calls that were not answered."""
    return int(sum(model["failures"].values()) + sum(model["refused"].values()))


def _column(
    table: str, name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any]
) -> tuple[int | float, ...]:
    """Differences of one counter, a number for each exit or segment."""
    return _less([row[name] for row in after[table]], None if before is None else [row[name] for row in before[table]])


def _less(after: Sequence[int | float], before: Sequence[int | float] | None) -> tuple[int | float, ...]:
    """The difference, element by element."""
    return tuple(after) if before is None else tuple(new - old for new, old in zip(after, before, strict=True))


def _over(value: float, count: float) -> float:
    """The quotient; 0 where nothing was counted."""
    return value / count if count > 0 else 0.0
