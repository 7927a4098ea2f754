"""One batch of the network without exit heads taken apart by timed events, as `profile` does with a chain."""

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter_ns

import numpy as np

from eengines.device import DeviceView, Stream
from eengines.tensors import Array
from eerun.costs import CostTable
from eerun.device_executor.device_chain import DeviceChain
from eerun.device_executor.next_rows import bucket_of_rows
from eerun.device_executor.pinned_samples import pinned_samples
from eerun.device_executor.profile_result import WholeProfile
from eerun.device_executor.session_graph import session_launch
from eerun.device_executor.slot_memory import SlotMemory
from eerun.device_executor.timeline import Ballast, Timeline
from eerun.folding import rows_of

__all__ = ["profile_whole"]

NS_PER_MS = 1e6


def profile_whole(
    chain: DeviceChain, costs: CostTable, inputs: Mapping[str, Array], *, rows: int, rounds: int
) -> WholeProfile:
    """Take a batch apart: copy in, the network, logits out.

    Args:
        chain: the network as a chain of one segment; its device is current in this thread.
        costs: its measured times, as those of a chain of one segment.
        inputs: samples by input name; repeated where there are fewer than `rows`.
        rows: samples of the batch, of a folded network images; at most as many as the largest bucket holds.
        rounds: how many rounds medians are of.
    """
    device, stream = chain.device, chain.device.stream()
    given = {name: np.resize(array, (rows, *array.shape[1:])) for name, array in inputs.items()}
    pinned = pinned_samples(device, chain.sample_inputs, inputs, rows)
    memory = SlotMemory(chain, buckets=costs.buckets)
    bucket = costs.buckets[int(bucket_of_rows(costs.buckets, costs.segment_ms[0])[rows_of(rows, chain.fold)])]
    launch = _opened(chain, memory, bucket, stream)
    timeline, ballast = Timeline(device, stream), Ballast(device, stream)
    logits, nbytes = memory.address(chain.chain.segments[0].logits), bucket * chain.fold * 4 * chain.classes

    def enqueue(samples: Mapping[str, Array | DeviceView], mark: Callable[[], None]) -> float:
        started = perf_counter_ns()
        mark()
        memory.load_samples(samples, slice(0, rows), stream)
        mark()
        launch()
        mark()
        device.copy(memory.outputs.address, logits, nbytes, stream)
        mark()
        return (perf_counter_ns() - started) / NS_PER_MS

    host, queued_ms, pieces = list[float](), 0.0, list[list[float]]()
    for _ in range(rounds + 1):
        host.append(enqueue(given, lambda: None))
        stream.synchronize()
        ballast.enqueue(queued_ms)
        queued_ms = enqueue(pinned, timeline.mark)
        pieces.append(timeline.take())
    copy_in_ms, compute_ms, copy_out_ms = np.median(np.array(pieces[1:]), axis=0).tolist()
    return WholeProfile(
        samples=rows,
        rounds=rounds,
        copy_in_ms=copy_in_ms,
        compute_ms=compute_ms,
        copy_out_ms=copy_out_ms,
        host_ms=median(host[1:]),
    )


def _opened(chain: DeviceChain, memory: SlotMemory, bucket: int, stream: Stream) -> Callable[[], None]:
    """A function that enqueues the network in a bucket, after it ran once."""
    engine = chain.engines[0]
    addresses = {spec.name: memory.address(spec.name) for spec in (*engine.inputs, *engine.outputs)}
    session = engine.open(bucket, addresses, workspace=memory.workspace.address, stream=stream)
    session.enqueue(stream)
    stream.synchronize()
    return session_launch(chain.device, session, stream)
