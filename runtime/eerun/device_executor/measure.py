"""Measure `T_k(b)` on a device: every segment and the whole network at every bucket, taking turns in one run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from eengines.device import Stream
from eengines.tensors import Array
from eerun.costs import CostTable
from eerun.device_executor.device_chain import DeviceChain
from eerun.device_executor.slot_memory import SlotMemory
from eerun.device_executor.timed_run import timed_run
from eerun.executor import Run
from eerun.measure_costs import take_turns, typical_ms

__all__ = ["DeviceSubject", "measure_device_costs"]

WHOLE = -1
MOVE_ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class DeviceSubject:
    """What is measured: one engine with graphs of one precision.

    Attributes:
        engine: name of the backend.
        precision: precision of the graphs.
        chain: the segments.
        whole: the network without exit heads, as a chain of one segment, on the same device.
    """

    engine: str
    precision: str
    chain: DeviceChain
    whole: DeviceChain


def measure_device_costs(
    subject: DeviceSubject,
    inputs: Mapping[str, Array],
    *,
    buckets: tuple[int, ...],
    seconds: float,
    progress: Callable[[float], None],
) -> CostTable:
    """Return the typical time (lower quartile) from a launch until the host knows that it is done.

    Args:
        subject: what is measured.
        inputs: real samples by input name; repeated where there are fewer than the largest bucket holds.
        buckets: batch sizes in rows, ascending.
        seconds: how long to measure, at least.
        progress: called with the share of the time that has passed.
    """
    device = subject.chain.device
    with device.use():
        stream = device.stream()
        memory = SlotMemory(subject.chain, buckets=buckets)
        whole_memory = SlotMemory(subject.whole, buckets=buckets)
        runs = _runs(subject.chain, memory, inputs, buckets, stream)
        whole = _runs(subject.whole, whole_memory, inputs, buckets, stream)
        runs |= {(WHOLE, bucket): run for (_, bucket), run in whole.items()}
        typical = typical_ms(take_turns([runs], seconds, progress)[0])
        moves = tuple(_move_ms(subject.chain, memory, k, buckets[-1], stream) for k in range(_boundaries(subject)))
    segments = range(len(subject.chain.engines))
    return CostTable(
        engine=subject.engine,
        precision=subject.precision,
        device=device.name,
        buckets=buckets,
        segment_ms=tuple(tuple(typical[k, b] for b in buckets) for k in segments),
        whole_ms=tuple(typical[WHOLE, b] for b in buckets),
        move_ms=moves,
    )


def _boundaries(subject: DeviceSubject) -> int:
    return len(subject.chain.layout.crossing)


def _runs(
    chain: DeviceChain, memory: SlotMemory, inputs: Mapping[str, Array], buckets: Sequence[int], stream: Stream
) -> dict[tuple[int, int], Run]:
    """Every segment at every bucket, after one run of all of them on real samples."""
    most = chain.fold * buckets[-1]
    samples = {name: np.resize(array, (most, *array.shape[1:])) for name, array in inputs.items()}
    memory.load_samples(samples, slice(0, most), stream)
    runs = {}
    for segment, engine in enumerate(chain.engines):
        addresses = {spec.name: memory.address(spec.name) for spec in (*engine.inputs, *engine.outputs)}
        for bucket in reversed(buckets):
            session = engine.open(bucket, addresses, workspace=memory.workspace.address, stream=stream)
            session.enqueue(stream)
            stream.synchronize()
            runs[segment, bucket] = timed_run(chain.device, session, stream)
    return runs


def _move_ms(chain: DeviceChain, memory: SlotMemory, boundary: int, rows: int, stream: Stream) -> float:
    """Milliseconds to move one row of everything that crosses a boundary, as part of a copy of half the rows."""
    half = rows // 2
    if not half:
        return 0.0
    times = []
    for _ in range(MOVE_ROUNDS):
        start, end = (chain.device.event(timed=True) for _ in range(2))
        start.record(stream)
        for name in chain.layout.crossing[boundary]:
            row_bytes, address = chain.layout.specs[name].row_bytes, memory.address(name)
            chain.device.copy(address, address + half * row_bytes, half * row_bytes, stream)
        end.record(stream)
        end.wait()
        times.append(end.ms_since(start) / half)
    return float(median(times))
