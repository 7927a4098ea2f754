"""Measure `T_k(b)`: every segment and the whole network at every bucket, taking turns in one run."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter_ns, sleep

import numpy as np

from eengines.tensors import Array
from eerun.costs import CostTable, Piece
from eerun.executor import Cell, LoadedChain, Run
from eerun.executor.compaction import Moves, move_rows
from eerun.folding import by_image

__all__ = ["MeterSettings", "Subject", "device_name", "measure_costs", "take_turns", "typical_ms"]

WARM_UP_ROUNDS = 2
LEAST_ROUNDS = 5
ORDER_SEED = 0
QUANTILE = 0.25
"""Of the rounds. Another process that takes the cores for a moment raises the median; it must not decide anything."""
NS_PER_MS = 1e6
SETTLE_S = 0.01


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is measured: one engine with graphs of one precision.

    Attributes:
        engine: name of the backend.
        precision: precision of the graphs.
        chain: the segments.
        whole: the network without exit heads, as a chain of one segment.
        inputs: samples for this subject alone; None: those for all.
    """

    engine: str
    precision: str
    chain: LoadedChain
    whole: LoadedChain
    inputs: Mapping[str, Array] | None = None


@dataclass(frozen=True, kw_only=True)
class MeterSettings:
    """How it is measured.

    Attributes:
        threads: number of threads, for the record.
        buckets: batch sizes in rows, ascending.
        seconds: how long to measure each subject, at least; 5 rounds or more.
    """

    threads: int
    buckets: tuple[int, ...]
    seconds: float


def measure_costs(
    subjects: Sequence[Subject],
    inputs: Mapping[str, Array],
    settings: MeterSettings,
    progress: Callable[[float], None],
) -> tuple[CostTable, ...]:
    """Return the typical time (lower quartile) of every segment at every bucket, for each subject.

    Subjects take turns, so that a machine that slows down for a while slows all of them down. All chains lose the
    buffers they had.

    Args:
        subjects: what is measured.
        inputs: real samples by input name, of folded networks images; repeated where there are fewer than the largest
            bucket holds.
        settings: how it is measured.
        progress: called with the share of the time that has passed.
    """
    runs = [_runs(subject, subject.inputs or inputs, settings.buckets) for subject in subjects]
    times = take_turns(runs, settings.seconds * len(subjects), progress)
    return tuple(_table(subject, measured, settings) for subject, measured in zip(subjects, times, strict=True))


def _runs(subject: Subject, inputs: Mapping[str, Array], buckets: Sequence[int]) -> dict[Cell, Run]:
    """What runs every segment, head and the whole network (the segment behind the last), with real samples in front."""
    for loaded in (subject.chain, subject.whole):
        loaded.allocate(buckets[-1])
        for name, array in inputs.items():
            buffer = by_image(loaded.buffer(name), loaded.chain.fold)
            buffer[:] = np.resize(array, buffer.shape)
    runs: dict[Cell, Run] = {}
    for bucket in buckets:
        runs |= subject.chain.runs([bucket])
        whole = subject.whole.session(0, Piece(offset=0, bucket=bucket)).run
        runs[len(subject.chain.engines), bucket] = whole
    return runs


def _table(subject: Subject, times: Mapping[Cell, Sequence[int]], settings: MeterSettings) -> CostTable:
    """The typical times of one subject."""
    chain, buckets = subject.chain, settings.buckets
    typical = typical_ms(times)
    return CostTable(
        engine=subject.engine,
        precision=subject.precision,
        device=f"{device_name()}, {settings.threads} threads",
        buckets=buckets,
        segment_ms=tuple(tuple(typical[k, b] for b in buckets) for k in range(len(chain.engines))),
        whole_ms=tuple(typical[len(chain.engines), b] for b in buckets),
        move_ms=tuple(_move_ms(chain, boundary) for boundary in range(len(chain.crossing))),
        head_ms=tuple(tuple(typical[-1 - k, b] for b in buckets) for k in range(len(chain.heads))),
    )


def typical_ms(times: Mapping[Cell, Sequence[int]]) -> dict[Cell, float]:
    """The lower quartile of nanoseconds, in milliseconds."""
    return {cell: float(np.quantile(values, QUANTILE)) / NS_PER_MS for cell, values in times.items()}


def device_name() -> str:
    """The processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def take_turns(
    subjects: Sequence[Mapping[Cell, Run]], seconds: float, progress: Callable[[float], None]
) -> list[dict[Cell, list[int]]]:
    """Run all cells of a subject, then those of the next, round after round; return nanoseconds of each.

    Between two subjects there is a pause and a run that does not count: threads of another engine's pool spin for a
    while when they are done, and take the cores.
    """
    times: list[dict[Cell, list[int]]] = [{cell: [] for cell in runs} for runs in subjects]
    for runs in subjects:
        for run in [*runs.values()] * WARM_UP_ROUNDS:
            run()
    generator = np.random.default_rng(ORDER_SEED)
    started, rounds = perf_counter_ns(), 0
    while rounds < LEAST_ROUNDS or perf_counter_ns() - started < seconds * 1e9:
        for runs, measured in zip(subjects, times, strict=True):
            order = [*runs]
            generator.shuffle(order)  # so that none always follows the same neighbour, whose data fill the caches
            if len(subjects) > 1:
                sleep(SETTLE_S)
            runs[order[-1]]()
            for cell in order:
                run = runs[cell]
                before = perf_counter_ns()
                run()
                measured[cell].append(perf_counter_ns() - before)
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
