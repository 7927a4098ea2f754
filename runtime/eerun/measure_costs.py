"""Measure `T_k(b)`: every segment and the whole network at every bucket, taking turns in one run."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter_ns

import numpy as np

from eengines.tensors import Array
from eerun.costs import CostTable, Piece
from eerun.executor import LoadedChain
from eerun.executor.compaction import Moves, move_rows

__all__ = ["MeterSettings", "device_name", "measure_costs"]

WARM_UP_ROUNDS = 2
LEAST_ROUNDS = 5
ORDER_SEED = 0
QUANTILE = 0.25
"""Of the rounds. Another process that takes the cores for a moment raises the median; it must not decide anything."""
NS_PER_MS = 1e6


@dataclass(frozen=True, kw_only=True)
class MeterSettings:
    """What is measured, and how long.

    Attributes:
        engine: name of the backend, for the record.
        precision: precision of the graphs, for the record.
        threads: number of threads, for the record.
        buckets: batch sizes, ascending.
        seconds: how long to measure, at least; 5 rounds or more.
    """

    engine: str
    precision: str
    threads: int
    buckets: tuple[int, ...]
    seconds: float


def measure_costs(
    chain: LoadedChain,
    whole: LoadedChain,
    inputs: Mapping[str, Array],
    settings: MeterSettings,
    progress: Callable[[float], None],
) -> CostTable:
    """Return the typical time (lower quartile) of every segment at every bucket.

    Both chains lose the buffers they had.

    Args:
        chain: the segments.
        whole: the network without exit heads, as a chain of one segment.
        inputs: real samples by input name; repeated where there are fewer than the largest bucket.
        settings: what is measured, and how long.
        progress: called with the share of the time that has passed.
    """
    buckets = settings.buckets
    for loaded in (chain, whole):
        loaded.allocate(buckets[-1])
        for name, array in inputs.items():
            loaded.buffer(name)[:] = np.resize(array, (buckets[-1], *array.shape[1:]))
    runs: dict[tuple[int, int], Callable[[], None]] = {}
    for bucket in buckets:
        piece = Piece(offset=0, bucket=bucket)
        for index in range(len(chain.engines)):
            runs[index, bucket] = chain.session(index, piece).run
        runs[-1, bucket] = whole.session(0, piece).run
    times = _take_turns(runs, settings.seconds, progress)
    typical = {key: float(np.quantile(values, QUANTILE)) / NS_PER_MS for key, values in times.items()}
    return CostTable(
        engine=settings.engine,
        precision=settings.precision,
        device=f"{device_name()}, {settings.threads} threads",
        buckets=buckets,
        segment_ms=tuple(tuple(typical[k, b] for b in buckets) for k in range(len(chain.engines))),
        whole_ms=tuple(typical[-1, b] for b in buckets),
        move_ms=tuple(_move_ms(chain, boundary) for boundary in range(len(chain.crossing))),
    )


def device_name() -> str:
    """The processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _take_turns(
    runs: Mapping[tuple[int, int], Callable[[], None]], seconds: float, progress: Callable[[float], None]
) -> dict[tuple[int, int], list[int]]:
    """Run all, one after the other, round after round; return nanoseconds of each."""
    times: dict[tuple[int, int], list[int]] = {key: [] for key in runs}
    for run in [*runs.values()] * WARM_UP_ROUNDS:
        run()
    order, generator = [*runs], np.random.default_rng(ORDER_SEED)
    started, rounds = perf_counter_ns(), 0
    while rounds < LEAST_ROUNDS or perf_counter_ns() - started < seconds * 1e9:
        generator.shuffle(order)  # so that none always follows the same neighbour, whose data fill the caches
        for key in order:
            run = runs[key]
            before = perf_counter_ns()
            run()
            times[key].append(perf_counter_ns() - before)
        rounds += 1
        progress(min(1.0, (perf_counter_ns() - started) / (seconds * 1e9)) if seconds else 1.0)
    return times


def _move_ms(chain: LoadedChain, boundary: int) -> float:
    """Milliseconds to move one row of everything that crosses a boundary."""
    buffers = [chain.buffer(name) for name in chain.crossing[boundary]]
    rows = len(buffers[0])
    if rows < 2:
        return 0.0
    times = []
    for source in range(1, rows):
        moves = Moves(np.array([source - 1]), np.array([source]))
        before = perf_counter_ns()
        move_rows(buffers, moves)
        times.append(perf_counter_ns() - before)
    return float(median(times)) / NS_PER_MS
