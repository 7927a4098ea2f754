"""The network without exit heads on a device: copy in, one graph, copy out, as trtexec runs it."""

import logging
from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from eengines.device import Graph, Stream
from eengines.device_engine import DeviceSession
from eengines.errors import EngineError
from eengines.tensors import Array
from eerun.costs import CostTable
from eerun.device_executor.device_chain import DeviceChain
from eerun.device_executor.next_rows import bucket_of_rows
from eerun.device_executor.slot_memory import SlotMemory
from eerun.device_executor.timed_run import timed_run
from eerun.executor import Run
from eerun.folding import rows_of

__all__ = ["DeviceWhole"]

_log = logging.getLogger("eerun")


class DeviceWhole:
    """See `WholeExecutor`. As many batches are in flight as in the chain that it is compared with.

    Args:
        chain: the network as a chain of one segment.
        costs: its measured times, as those of a chain of one segment.
        in_flight: how many batches run at once.
    """

    def __init__(self, chain: DeviceChain, costs: CostTable, *, in_flight: int) -> None:
        self._device, self._classes = chain.device, chain.classes
        self._buckets, self._fold = costs.buckets, chain.fold
        self._max_batch = chain.fold * costs.max_batch
        self._numbers = bucket_of_rows(costs.buckets, costs.segment_ms[0])
        with self._device.use():
            self._lanes = [_Lane(chain, costs.buckets) for _ in range(in_flight)]

    def infer(self, inputs: Mapping[str, Array]) -> NDArray[np.float32]:
        """See `WholeExecutor.infer`; no batch is in flight any more when it returns or raises."""
        count, most = len(next(iter(inputs.values()))), self._max_batch
        outputs = np.empty((count, self._classes), np.float32)
        running: deque[tuple[_Lane, slice]] = deque()
        with self._device.use():
            try:
                for number, start in enumerate(range(0, count, most)):
                    if len(running) == len(self._lanes):
                        _finish(*running[0], outputs)
                        running.popleft()
                    lane, part = self._lanes[number % len(self._lanes)], slice(start, min(start + most, count))
                    running.append((lane, part))
                    lane.start(inputs, part, self._number(part.stop - start))
                while running:
                    _finish(*running[0], outputs)
                    running.popleft()
            finally:
                for lane, _ in running:
                    lane.give_up()
        return outputs

    def warm_up(self, batch: int) -> None:
        """See `WholeExecutor.warm_up`."""
        with self._device.use():
            for lane in self._lanes:
                lane.launch(self._number(min(batch, self._max_batch)))
                lane.wait()

    def run(self, bucket: int) -> Run:
        """See `WholeExecutor.run`; a run ends when the host knows that it ended."""
        with self._device.use():
            return self._lanes[0].run(self._buckets.index(bucket))

    def _number(self, samples: int) -> int:
        """Number of the bucket that so many samples run in."""
        return int(self._numbers[rows_of(samples, self._fold)])


class _Lane:
    """One batch in flight."""

    def __init__(self, chain: DeviceChain, buckets: tuple[int, ...]) -> None:
        self._chain, self._buckets = chain, buckets
        self._stream, self._event = chain.device.stream(), chain.device.event()
        self._memory = SlotMemory(chain, buckets=buckets)
        self._sessions = [self._open(bucket) for bucket in buckets]
        self._stream.synchronize()
        self._graphs = [self._captured(number) for number in range(len(buckets))]

    def start(self, inputs: Mapping[str, Array], samples: slice, number: int) -> None:
        """Enqueue some samples in a bucket."""
        self._memory.load_samples(inputs, samples, self._stream)
        self.launch(number)

    def launch(self, number: int) -> None:
        """Enqueue the network in a bucket, and its logits to the host."""
        graph = self._graphs[number]
        if graph is None:
            self._enqueue(number, self._stream)
        else:
            graph.launch(self._stream)
        self._event.record(self._stream)

    def wait(self) -> None:
        """Return when the batch is done."""
        self._event.wait()

    def give_up(self) -> None:
        """Return when nothing is in flight; what the batch says is lost."""
        try:
            self._stream.synchronize()
        except EngineError as error:  # whoever gave it up raises what went wrong first
            _log.info("a batch was given up: %s", error)

    def logits(self, samples: int) -> NDArray[np.float32]:
        """Of a batch that is done; valid until the next `start`."""
        return self._memory.answers(samples)[0]

    def run(self, number: int) -> Run:
        """The network alone in a bucket."""
        return timed_run(self._chain.device, self._sessions[number], self._stream)

    def _open(self, bucket: int) -> DeviceSession:
        """Bind a bucket and run it once, as libraries want it before a capture."""
        engine = self._chain.engines[0]
        addresses = {spec.name: self._memory.address(spec.name) for spec in (*engine.inputs, *engine.outputs)}
        session = engine.open(bucket, addresses, workspace=self._memory.workspace.address, stream=self._stream)
        session.enqueue(self._stream)
        return session

    def _captured(self, number: int) -> Graph | None:
        """The same as a graph; None: the library cannot be captured."""
        if not self._sessions[number].capturable:
            return None
        return self._chain.device.capture(lambda builder: self._enqueue(number, builder.stream))

    def _enqueue(self, number: int, stream: Stream) -> None:
        """The network in one bucket, and its logits to the host."""
        self._sessions[number].enqueue(stream)
        logits = self._memory.address(self._chain.chain.segments[0].logits)
        nbytes = self._buckets[number] * self._chain.fold * 4 * self._chain.classes
        self._chain.device.copy(self._memory.outputs.address, logits, nbytes, stream)


def _finish(lane: _Lane, part: slice, outputs: NDArray[np.float32]) -> None:
    """Wait for a batch and keep what it says."""
    lane.wait()
    outputs[part] = lane.logits(part.stop - part.start)
