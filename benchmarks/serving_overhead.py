"""What the scheduler costs at saturation: its thread's CPU time outside of the engine, by that of the process."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import eerun
from eengines.backends import BACKENDS
from eengines.tensors import Array
from eerun.bench.statistics import bootstrap

__all__ = ["scheduler_figure"]

OUTSTANDING = 256
"""Samples that are on their way at once."""
SCHEDULER = "eerun-scheduler"
SESSIONS = {"openvino": "OpenVinoSession", "onnxruntime": "OnnxRuntimeSession"}


class _Engine:
    """CPU nanoseconds that the calling thread spent inside of engine runs, and their number."""

    def __init__(self) -> None:
        self.cpu_ns = 0
        self.runs = 0


def scheduler_figure(
    bundle: Path,
    inputs: dict[str, Array],
    options: dict[str, Any],
    *,
    batch: int,
    blocks: int,
    seconds: float,
) -> dict[str, Any]:
    """Saturate a model with calls from this thread.

    Args:
        bundle: the bundle's folder.
        inputs: samples `[samples, ...]` by input name.
        options: of `eerun.load`.
        batch: samples of each call.
        blocks: how many blocks are measured.
        seconds: of each.

    Returns:
        Shares of the process's CPU time: of the scheduler's thread outside of engine runs, and of the thread that
        calls `submit`; with 95 % intervals over blocks. Engines compute in that thread, too, and in their own. Of the
        scheduler's thread the time at boundaries (decision, answers, survivors to the next segment), which a batch that
        runs by itself needs as well; this is time that passed, with waiting for Python's lock.
    """
    samples = min(512 * batch, len(next(iter(inputs.values()))))
    calls = [
        {name: array[first : first + batch] for name, array in inputs.items()}
        for first in range(0, samples - batch + 1, batch)
    ]
    most = OUTSTANDING // batch
    rows = []
    with _timed_engine() as timed, eerun.load(bundle, **options) as model:
        _saturate(model, calls, seconds / 2, most)
        scheduler = next(thread for thread in threading.enumerate() if thread.name.startswith(SCHEDULER))
        clock = time.pthread_getcpuclockid(scheduler.ident or 0)
        for _ in range(blocks):
            before = _times(model, clock, timed)
            answered, began = _saturate(model, calls, seconds, most), before["wall"]
            after = _times(model, clock, timed)
            rows.append({**{name: after[name] - before[name] for name in before}, "answered": answered})
            assert after["wall"] > began
        words = f"{model.engine} {model.precision}"
    return {"engine": words, "samples_a_call": batch, "calls_outstanding": most, **_shares(rows)}


def _times(model: Any, clock: int, timed: _Engine) -> dict[str, float]:
    """Seconds so far."""
    return {
        "wall": time.perf_counter(),
        "process": time.process_time(),
        "scheduler": time.clock_gettime(clock),
        "engine": timed.cpu_ns / 1e9,
        "caller": time.thread_time(),
        "runs": timed.runs,
        "boundary": sum(model.statistics().boundary_ns) / 1e9,
    }


def _shares(rows: list[dict[str, float]]) -> dict[str, Any]:
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    outside = columns["scheduler"] - columns["engine"]
    process = columns["process"]

    def share(part: Any) -> Any:
        return bootstrap(len(rows), lambda pick: float(part[pick].sum() / process[pick].sum()), seed=0)

    calls = columns["answered"].sum()
    return {
        "scheduler_share": share(outside),
        "submit_share": share(columns["caller"]),
        "scheduler_us_a_call": float(outside.sum() / calls * 1e6),
        "boundary_us_a_call": float(columns["boundary"].sum() / calls * 1e6),
        "submit_us_a_call": float(columns["caller"].sum() / calls * 1e6),
        "process_cpu_us_a_call": float(process.sum() / calls * 1e6),
        "calls_per_s": float(calls / columns["wall"].sum()),
        "calls_a_run": float(calls / columns["runs"].sum()),
        "blocks": rows,
    }


def _saturate(model: Any, calls: list[dict[str, Array]], seconds: float, most: int) -> int:
    """Keep so many calls on their way; return how many were answered."""
    free, end, sent = threading.Semaphore(most), time.perf_counter() + seconds, 0
    last: Future[Any] | None = None
    while time.perf_counter() < end:
        free.acquire()
        last = model.submit(calls[sent % len(calls)])
        last.add_done_callback(lambda _: free.release())
        sent += 1
    for _ in range(most):
        free.acquire()
    return sent


@contextmanager
def _timed_engine() -> Iterator[_Engine]:
    """Let the sessions of the CPU's engines count the time of the thread that runs them."""
    timed, kept = _Engine(), []

    def wrapped(run: Any) -> Any:
        def timed_run(session: Any) -> None:
            before = time.thread_time_ns()
            try:
                run(session)
            finally:
                timed.cpu_ns += time.thread_time_ns() - before
                timed.runs += 1

        return timed_run

    for name, class_name in SESSIONS.items():
        session = getattr(import_module(BACKENDS[name].partition(":")[0]), class_name)
        kept.append((session, session.run))
        session.run = wrapped(session.run)
    try:
        yield timed
    finally:
        for session, run in kept:
            session.run = run
