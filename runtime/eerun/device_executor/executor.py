"""Batches through a chain on a device, several in flight, so that one batch's decision hides behind another's work."""

import logging
import queue
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from eengines.device import Device, DeviceView, Event
from eengines.engine import Capability
from eengines.errors import EngineError, UserError
from eengines.tensors import Array
from eerun.costs import CostTable
from eerun.device_executor.device_chain import DeviceChain
from eerun.device_executor.exit_kernels import Decisions
from eerun.device_executor.launches import Sessions
from eerun.device_executor.leave_and_compact import exit_program
from eerun.device_executor.slot import Slot
from eerun.device_executor.timed_run import timed_run
from eerun.executor import Answers, Cell, Run, Step
from eerun.folding import by_image, rows_of

__all__ = ["DeviceExecutor"]

_log = logging.getLogger("eerun")


class DeviceExecutor:
    """Runs batches of any size. Safe to call from any thread: each call takes the slots that are free, at least one.

    Attributes:
        device: where it runs.
        classes: number of classes.
        output_shape: shape of one sample's logits, `(classes,)`.
        max_batch: the most samples that run together, of a folded network images.
        fold: images a row of a folded network; 1: it is not folded.
        group_exit: when a group of images leaves, where the network is folded.
        device_exits: whether the device goes from exit to exit by itself.

    Args:
        chain: the engines.
        costs: measured times of them; buckets are theirs.
        in_flight: how many batches run at once; each takes memory for all buffers.
        device_exits: let the device decide on the next bucket; where that cannot be, logger `eerun` says why.

    Raises:
        UserError: fewer than one batch in flight.
        BundleError: a score is not one number a sample.
        EngineError: the device or an engine refuses.
    """

    def __init__(self, chain: DeviceChain, costs: CostTable, *, in_flight: int = 2, device_exits: bool = False) -> None:
        self.device: Device = chain.device
        self.classes, self.output_shape = chain.classes, chain.output_shape
        self.segments = len(chain.engines)
        self.max_batch = chain.fold * costs.max_batch
        self.fold, self.group_exit = chain.chain.fold, chain.chain.group_exit
        self._chain = chain
        if in_flight < 1:
            raise UserError("batches in flight", f"got {in_flight}, expected at least 1", "Give a positive number")
        chain.check_scores()
        with self.device.use():
            self._stream, self._arrived = self.device.stream(), self.device.event()
            decisions = Decisions(costs, chain, self._stream)
            slots = [Slot(chain, decisions) for _ in range(in_flight)]
            self.device_exits = device_exits and self._record_chains(slots)
            if not self.device_exits:
                self._record(slots, device_exits=False)
        self._stream_lock = threading.Lock()
        self._decisions = decisions
        self._free: queue.LifoQueue[Slot] = queue.LifoQueue()
        for slot in slots:
            self._free.put(slot)

    def view(self, array: object) -> DeviceView | None:
        """Take an array that lies on this device, without a copy; None: it does not."""
        with self.device.use(), self._stream_lock:
            return self.device.view(array, self._stream)

    def infer(
        self, inputs: Mapping[str, Array | DeviceView], thresholds: Sequence[float | None], answers: Answers
    ) -> tuple[tuple[Step, ...], ...]:
        """Answer samples; more than `max_batch` run in parts, several of them at once.

        Args:
            inputs: arrays `[samples, ...]` in the dtype and shape that the chain declares, or what `view` made of such.
            thresholds: one for each exit but the last; None: nobody leaves there.
            answers: arrays `[samples, ...]` to fill.

        Returns:
            For each part, what each segment did.

        Raises:
            EngineError: the device failed.
        """
        since_ns = perf_counter_ns()
        with self.device.use():
            waiting = deque(self._parts(len(answers.exit_index)))
            steps: list[tuple[Step, ...]] = [()] * len(waiting)
            numbers = {part.start: number for number, part in enumerate(waiting)}
            running: deque[tuple[Slot, slice]] = deque()
            arrived = self._arrival(inputs)
            try:
                while waiting or running:
                    while waiting and (slot := self._slot(wait=not running)) is not None:
                        running.append((slot, waiting[0]))
                        slot.start(inputs, waiting.popleft(), thresholds, arrived=arrived, since_ns=since_ns)
                    slot, part = running[0]
                    if not slot.advance():
                        running.rotate(-1)
                        continue
                    _give(answers, part, slot.answers())
                    steps[numbers[part.start]] = slot.steps
                    running.popleft()
                    self._free.put(slot)
            finally:
                for slot, _ in running:
                    self._take_back(slot)
        return tuple(steps)

    def record(self, inputs: Mapping[str, Array]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run one batch of at most `max_batch` samples with exits off, and return what every exit says.

        Returns:
            logits `[samples, exits, classes] float32` and scores `[samples, exits] float32`, which the caller owns.
        """
        count = len(next(iter(inputs.values())))
        rows = rows_of(count, self.fold)
        with self.device.use():
            slot = self._free.get()
            try:
                slot.memory.load(inputs, slice(0, count), [np.nan] * len(self._chain.engines), slot.stream)
                for sessions, numbers in zip(slot.sessions, self._decisions.bucket_of_rows, strict=True):
                    sessions[numbers[rows]].enqueue(slot.stream)
                heads = self._chain.chain.segments
                logits = [by_image(self._fetch(slot, head.logits, rows), self.fold)[:count] for head in heads]
                scores = [by_image(self._fetch(slot, head.score, rows), self.fold)[:count] for head in heads]
            finally:
                self._take_back(slot)
        return np.stack(logits, axis=1), np.stack(scores, axis=1)

    def runs(self, buckets: Sequence[int]) -> Mapping[Cell, Run]:
        """See `Executor.runs`; a run ends when the host knows that it ended."""
        with self.device.use():
            slot = self._free.get()
            try:
                known = self._decisions.buckets
                return {
                    (segment, bucket): timed_run(self.device, sessions[known.index(bucket)], slot.stream)
                    for segment, sessions in enumerate(slot.sessions)
                    for bucket in buckets
                }
            finally:
                self._free.put(slot)

    def _fetch(self, slot: Slot, name: str, rows: int) -> Array:
        """Copy the first rows of a value to the host."""
        spec = self._chain.layout.specs[name]
        pinned = self.device.pinned(rows * spec.row_bytes)
        self.device.copy(pinned.address, slot.memory.address(name), pinned.nbytes, slot.stream)
        slot.stream.synchronize()
        return pinned.array.view(spec.storage).reshape(rows, *spec.shape).copy()

    def _parts(self, samples: int) -> list[slice]:
        return [slice(start, min(start + self.max_batch, samples)) for start in range(0, samples, self.max_batch)]

    def _slot(self, *, wait: bool) -> Slot | None:
        """A free slot; None: there is none and nobody waits."""
        try:
            return self._free.get(block=wait)
        except queue.Empty:
            return None

    def _take_back(self, slot: Slot) -> None:
        """Free a slot once its stream is done: staging and buffers are in use until then."""
        try:
            slot.stream.synchronize()
        except EngineError as error:  # whoever gave it up raises what went wrong first
            _log.info("a batch was given up: %s", error)
        finally:
            self._free.put(slot)

    def _arrival(self, inputs: Mapping[str, Array | DeviceView]) -> Event | None:
        """An event after all that the owners of samples on the device still do with them; None: none are there."""
        if not any(isinstance(value, DeviceView) for value in inputs.values()):
            return None
        with self._stream_lock:
            self._arrived.record(self._stream)  # another thread may record it again: that is later, and includes this
        return self._arrived

    def _record_chains(self, slots: Sequence[Slot]) -> bool:
        """Record graphs that go from exit to exit; where that cannot be, say why and return False."""
        switch = self._probe_switch(slots[0].sessions)
        if switch.ok:
            try:
                self._record(slots, device_exits=True)
            except EngineError as error:
                switch = Capability(ok=False, reason=f"{error.where}: {error.problem}")
        if not switch.ok:
            _log.warning("--device-exits: %s; the host decides", switch.reason)
        return switch.ok

    def _record(self, slots: Sequence[Slot], *, device_exits: bool) -> None:
        kernel = self.device.kernel(exit_program(with_selector=device_exits, fold=self.fold))
        for slot in slots:
            slot.record(kernel, device_exits=device_exits)

    def _probe_switch(self, sessions: Sessions) -> Capability:
        """Whether graphs can have switches, and engines be in them."""
        for index, row in enumerate(sessions):
            if not all(session.capturable for session in row):
                engine = type(self._chain.engines[index]).__name__
                return Capability(ok=False, reason=f"segment {index}: {engine} cannot be recorded into a graph")
        return self.device.probe_switch()


def _give(
    answers: Answers, part: slice, found: tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]
) -> None:
    """Copy the answers of one part to where the caller wants them."""
    answers.outputs[part], answers.exit_index[part], answers.confidence[part] = found
