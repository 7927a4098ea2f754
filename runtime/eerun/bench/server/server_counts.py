"""What a server has counted, from its metrics page; the difference of two pages is what happened between them."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from eerun.bench.server.connection_pool import Address
from eerun.bench.server.http_json import ask

__all__ = ["SegmentCounts", "ServerCounts", "read_counts"]

LINE = re.compile(r"^([a-z_]+)\{([^}]*)\} (\S+)$", re.MULTILINE)
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
RUNS, ROWS, ALIVE = "ee_segment_exec_count", "ee_segment_batch_size_sum", "ee_segment_alive_count"
RUN_US, BOUNDARY_US = "ee_segment_compute_duration_us", "ee_boundary_duration_us"
EXITS, BUCKETS = "ee_exit_count", "ee_segment_batch_size_bucket"
QUEUE_US, COMPUTE_US, REQUESTS = (
    "nv_inference_queue_duration_us",
    "nv_inference_compute_infer_duration_us",
    "nv_inference_request_success",
)


@dataclass(frozen=True, kw_only=True)
class SegmentCounts:
    """What one segment did.

    Attributes:
        segment: its number, 0 the first.
        runs: how often it ran.
        rows: mean rows of a run, those that were dead among them; None: it never ran.
        alive: mean rows of a run that were alive.
        run_ms: mean milliseconds of a run in the engine.
        boundary_us: mean microseconds behind it.
        batch_sizes: runs by rows: upper bound -> runs of more rows than the bound before, without empty ones.
    """

    segment: int
    runs: int
    rows: float | None
    alive: float | None
    run_ms: float | None
    boundary_us: float | None
    batch_sizes: dict[str, int]


class ServerCounts:
    """Counters of one model, `(metric, value of its last label)` -> number; they can be added and subtracted."""

    def __init__(self, numbers: Mapping[tuple[str, str], float]) -> None:
        self._numbers = numbers

    def __add__(self, other: "ServerCounts") -> "ServerCounts":
        return self._with(other, 1)

    def __sub__(self, other: "ServerCounts") -> "ServerCounts":
        return self._with(other, -1)

    def _with(self, other: "ServerCounts", sign: int) -> "ServerCounts":
        mine, theirs = self._numbers, other._numbers
        return ServerCounts({key: mine.get(key, 0) + sign * theirs.get(key, 0) for key in {**mine, **theirs}})

    @property
    def exits(self) -> dict[str, float]:
        """Share of the samples that was answered at each exit, by name; empty if nobody was."""
        counts = {label: count for (name, label), count in self._numbers.items() if name == EXITS}
        total = sum(counts.values())
        return {label: count / total for label, count in counts.items()} if total else {}

    @property
    def queue_ms(self) -> float | None:
        """Mean milliseconds that an answered request waited for its first segment; None: there was none."""
        return self._a_request(QUEUE_US)

    @property
    def compute_ms(self) -> float | None:
        """Mean milliseconds from there to its last answer."""
        return self._a_request(COMPUTE_US)

    @property
    def segments(self) -> tuple[SegmentCounts, ...]:
        """What each segment did."""
        numbers = sorted({int(label) for name, label in self._numbers if name == RUNS})
        return tuple(self._segment(number) for number in numbers)

    def _a_request(self, name: str) -> float | None:
        requests = self._numbers.get((REQUESTS, ""), 0)
        return self._numbers.get((name, ""), 0) / requests / 1000 if requests else None

    def _segment(self, number: int) -> SegmentCounts:
        of = {name: self._numbers.get((name, str(number)), 0) for name in (RUNS, ROWS, ALIVE, RUN_US, BOUNDARY_US)}
        runs = of[RUNS]
        return SegmentCounts(
            segment=number,
            runs=int(runs),
            rows=of[ROWS] / runs if runs else None,
            alive=of[ALIVE] / runs if runs else None,
            run_ms=of[RUN_US] / runs / 1000 if runs else None,
            boundary_us=of[BOUNDARY_US] / runs if runs else None,
            batch_sizes=self._batch_sizes(number),
        )

    def _batch_sizes(self, number: int) -> dict[str, int]:
        """Buckets of the page count all runs up to their bound."""
        wanted = f"{number}/"
        reached = {
            label.removeprefix(wanted): count
            for (name, label), count in self._numbers.items()
            if name == BUCKETS and label.startswith(wanted)
        }
        sizes, before = dict[str, int](), 0.0
        for bound in sorted(reached, key=float):
            if reached[bound] > before:
                sizes[bound] = int(reached[bound] - before)
            before = reached[bound]
        return sizes


def read_counts(address: Address, model: str) -> ServerCounts | None:
    """Read the counters of a model.

    Args:
        address: the server, with its metrics at `/metrics`.
        model: name of the model.

    Returns:
        None: the server has no such page, or other figures on it.

    Raises:
        EngineError: nobody answers.
    """
    status, page = ask(address, "metrics")
    if status != 200:
        return None
    numbers = defaultdict[tuple[str, str], float](float)
    for name, inside, value in LINE.findall(page.decode()):
        labels = dict(LABEL.findall(inside))
        if labels.get("model") == model:
            kind = labels.get("exit") or labels.get("segment") or ""
            numbers[name, f"{kind}/{labels['le']}" if "le" in labels else kind] += float(value)
    return ServerCounts(numbers) if any(name == RUNS for name, _ in numbers) else None
