"""One batch in flight: its stream, its memory, and what it launches."""

from collections.abc import Mapping, Sequence
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView, Event, Kernel, Stream
from eengines.device_engine import DeviceSession
from eengines.tensors import Array
from eerun.device_executor.device_chain import DeviceChain
from eerun.device_executor.exit_kernels import Decisions, ExitKernels
from eerun.device_executor.launches import ChainLaunches, Launches, SegmentLaunches, Sessions
from eerun.device_executor.slot_memory import SlotMemory
from eerun.executor import Step
from eerun.folding import rows_of

__all__ = ["Slot"]


class Slot:
    """Runs one batch at a time; several slots run several batches at once. `record` comes first.

    What graphs hold addresses of belongs to the slot, and lives as long as its graphs.

    Attributes:
        memory: its buffers.
        sessions: of every segment and bucket; each has run once.

    Args:
        chain: the engines.
        decisions: tables of all slots.
    """

    def __init__(self, chain: DeviceChain, decisions: Decisions) -> None:
        device = chain.device
        self._chain, self._decisions = chain, decisions
        self._stream, self._event = device.stream(), device.event()
        self.memory = SlotMemory(chain, buckets=decisions.buckets)
        self.sessions: Sessions = [
            [self._open(segment, bucket) for bucket in decisions.buckets] for segment in range(len(chain.engines))
        ]
        self._warm_up()
        self._launches: Launches
        self._device_exits = False
        self._steps: list[Step] = []
        self._started_ns = self._launched_ns = 0
        self._rows = self._entered = self._samples = self._segment = 0

    def record(self, kernel: Kernel, *, device_exits: bool) -> None:
        """Record graphs.

        Args:
            kernel: the exit kernel; with a selector for exits on the device.
            device_exits: let the device go from exit to exit, by graphs with switches.

        Raises:
            EngineError: the device or a session refuses.
        """
        kernels = ExitKernels(kernel, self._chain, self.memory, self._decisions, self._stream)
        kind = ChainLaunches if device_exits else SegmentLaunches
        self._launches = kind(self._chain.device, self.sessions, kernels, self._decisions.buckets)
        self._device_exits = device_exits

    @property
    def stream(self) -> Stream:
        """Where the batch runs."""
        return self._stream

    @property
    def steps(self) -> tuple[Step, ...]:
        """What the segments did with the last batch.

        With exits on the device the host sees only the end: the last step has the time of all, and every answer is
        there then.
        """
        return tuple(self._steps)

    def start(
        self,
        given: Mapping[str, Array | DeviceView],
        samples: slice,
        thresholds: Sequence[float | None],
        *,
        arrived: Event | None,
        since_ns: int,
    ) -> None:
        """Enqueue a batch: its samples are on their way, and the first segment behind them.

        Args:
            given: all samples by input name; those on the device must stay until the batch is done.
            samples: which of them, at most as many as the largest bucket holds.
            thresholds: one for each exit but the last; None: nobody leaves there.
            arrived: when samples on the device are there; None: all are on the host.
            since_ns: when the call began that this batch is a part of.
        """
        self._started_ns = since_ns
        self._steps = []
        self._samples = samples.stop - samples.start
        self._entered = self._rows = rows_of(self._samples, self._chain.fold)
        self._segment = 0
        if arrived is not None:
            self._stream.wait_for(arrived)
        numbers = [np.nan if value is None else value for value in thresholds]
        self.memory.load(given, samples, [*numbers, np.nan], self._stream)
        self._launch()

    def advance(self) -> bool:
        """Wait for what was launched last, launch what follows; return whether the batch is done."""
        self._event.wait()
        known_ns = perf_counter_ns()
        if self._device_exits:
            self._note_all(known_ns)
            self._note_answers()
            return True
        survivors, rows = self.memory.signalled(self._segment)
        launched_ns, ran, segment, entered = self._launched_ns, self._rows, self._segment, self._entered
        if survivors:
            self._segment, self._entered, self._rows = segment + 1, survivors, rows
            self._launch()
        self._steps.append(
            Step(
                segment=segment,
                rows=ran,
                entered=entered,
                left=entered - survivors,
                run_ns=known_ns - launched_ns,
                boundary_ns=perf_counter_ns() - known_ns,
                answered_ns=known_ns - self._started_ns,
            )
        )
        if survivors:
            return False
        self._note_answers()
        return True

    def answers(self) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
        """Logits, exit and score of each sample of a batch that is done; valid until the next `start`."""
        return self.memory.answers(self._samples)

    def _launch(self) -> None:
        number = int(self._decisions.bucket_of_rows[self._segment][self._rows])
        self._launched_ns = perf_counter_ns()
        self._launches.launch(self._segment, number, self._stream)
        self._event.record(self._stream)

    def _note_all(self, known_ns: int) -> None:
        """The steps of a batch that the device took from exit to exit."""
        entered = ran = self._entered
        for segment in range(len(self._chain.engines)):
            survivors, rows = self.memory.signalled(segment)
            self._steps.append(
                Step(
                    segment=segment,
                    rows=ran,
                    entered=entered,
                    left=entered - survivors,
                    run_ns=0 if survivors else known_ns - self._launched_ns,
                    boundary_ns=0,
                    answered_ns=known_ns - self._started_ns,
                )
            )
            if not survivors:
                return
            entered, ran = survivors, rows

    def _note_answers(self) -> None:
        """How many images of a folded network each exit answered: some before their row left."""
        if self._chain.fold == 1:
            return
        counts = np.bincount(self.memory.answers(self._samples)[1], minlength=len(self._steps))
        self._steps = [step._replace(answered=int(counts[step.segment])) for step in self._steps]

    def _open(self, segment: int, bucket: int) -> DeviceSession:
        engine = self._chain.engines[segment]
        addresses = {spec.name: self.memory.address(spec.name) for spec in (*engine.inputs, *engine.outputs)}
        return engine.open(bucket, addresses, workspace=self.memory.workspace.address, stream=self._stream)

    def _warm_up(self) -> None:
        """Enqueue every session once, as libraries want it before a capture."""
        for row in self.sessions:
            for session in row:
                session.enqueue(self._stream)
        self._stream.synchronize()
