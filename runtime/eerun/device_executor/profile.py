"""One batch taken apart by timed events, on buffers of its own: where the time of a chain on a device goes.

The hot path has none of these events. Two kinds of rounds take turns. In *queued* rounds everything is enqueued behind
a ballast, in the buckets that the batch needs, so that the pieces follow each other without gaps: copy in, each segment
and each exit kernel, once without and once with the moves of survivors. In *hosted* rounds the host decides as it does
in the executor, one graph a segment; what they take longer than the pieces is what the host's decisions cost.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from statistics import median
from time import perf_counter_ns
from typing import NamedTuple

import numpy as np

from eengines.device import DeviceView
from eengines.errors import EngineError
from eengines.tensors import Array
from eerun.costs import CostTable
from eerun.device_executor.device_chain import DeviceChain
from eerun.device_executor.exit_kernels import Decisions, ExitKernels
from eerun.device_executor.launches import ChainLaunches, SegmentLaunches
from eerun.device_executor.leave_and_compact import exit_program
from eerun.device_executor.pinned_samples import pinned_samples
from eerun.device_executor.profile_result import ChainProfile, StepProfile
from eerun.device_executor.session_graph import session_launch
from eerun.device_executor.slot import Slot
from eerun.device_executor.timeline import Ballast, Timeline
from eerun.folding import rows_of

__all__ = ["ChainProfiler"]

NS_PER_MS, US_PER_MS = 1e6, 1e3
MOST_TRIES = 3


class _Step(NamedTuple):
    """What one segment of the batch did: the number of its bucket, survivors, and rows to run next."""

    number: int
    survivors: int
    next_rows: int


class _Hosted(NamedTuple):
    """A round in which the host decides: milliseconds from each exit's end to the next one's, and of the host."""

    path: tuple[_Step, ...]
    gaps_ms: list[float]
    host_ms: float


class ChainProfiler:
    """Takes batches of a chain apart.

    Args:
        chain: the engines; its device is current in this thread, here and in all methods.
        costs: measured times of them; buckets are theirs.
        inputs: samples by input name; repeated where there are fewer than `rows`.
        rows: samples of the batch, of a folded network images; at most as many as the largest bucket holds.
        rounds: how many rounds medians are of.
    """

    def __init__(
        self, chain: DeviceChain, costs: CostTable, inputs: Mapping[str, Array], *, rows: int, rounds: int
    ) -> None:
        self._chain, self._samples, self._rounds = chain, rows, rounds
        self._rows = rows_of(rows, chain.fold)
        self._given = {name: np.resize(array, (rows, *array.shape[1:])) for name, array in inputs.items()}
        device = chain.device
        self._pinned = pinned_samples(device, chain.sample_inputs, inputs, rows)
        self._enqueue_ms = 0.0
        self._decisions = Decisions(costs, chain, device.stream())
        self._slot = slot = Slot(chain, self._decisions)
        kernel = device.kernel(exit_program(with_selector=False, fold=chain.fold))
        self._kernels = ExitKernels(kernel, chain, slot.memory, self._decisions, slot.stream)
        self._deciding = ExitKernels(kernel, _without_moves(chain), slot.memory, self._decisions, slot.stream)
        self._hot = SegmentLaunches(device, slot.sessions, self._kernels, self._decisions.buckets)
        self._sessions = [
            [session_launch(device, session, slot.stream) for session in row] for row in self._slot.sessions
        ]
        self._ballast = Ballast(device, slot.stream)
        self._timeline = Timeline(device, slot.stream)

    def profile(self, thresholds: Sequence[float | None]) -> ChainProfile:
        """Take the batch apart.

        Args:
            thresholds: one for each exit but the last; None: nobody leaves there.

        Raises:
            EngineError: the device failed, or decides otherwise from round to round.
        """
        first = self._hosted(thresholds)
        hosted, queued = list[_Hosted](), list[list[float]]()
        for _ in range(MOST_TRIES * self._rounds):
            now = self._hosted(thresholds)
            pieces = self._queued(first.path, thresholds)
            if now.path == first.path and self._ended_as(first.path):
                hosted.append(now)
                queued.append(pieces)
            if len(hosted) == self._rounds:
                return self._result(first.path, hosted, queued)
        raise EngineError(
            "profile", "the same samples leave at other exits from round to round", "Build the plans again"
        )

    def device_boundary_us(self, thresholds: Sequence[float | None], profile: ChainProfile) -> float | None:
        """Return what a boundary costs when the device decides: exit kernel, switch, start of the segment, in µs.

        It is the time of the whole chain as one graph less that of its segments and of the last exit kernel.

        Args:
            thresholds: as for the profile.
            profile: of the same thresholds.

        Returns:
            None: nobody goes on after the first exit.

        Raises:
            EngineError: the device or an engine has no switches: why.
        """
        self._check_switches()
        if len(profile.steps) < 2:
            return None
        kernel = self._chain.device.kernel(exit_program(with_selector=True, fold=self._chain.fold))
        kernels = ExitKernels(kernel, self._chain, self._slot.memory, self._decisions, self._slot.stream)
        launches = ChainLaunches(self._chain.device, self._slot.sessions, kernels, self._decisions.buckets)
        number, times = int(self._decisions.bucket_of_rows[0][self._rows]), list[float]()
        for _ in range(self._rounds):
            self._ballast.enqueue(self._enqueue_ms)
            self._load(self._pinned, thresholds)
            self._timeline.mark()
            launches.launch(0, number, self._slot.stream)
            self._timeline.mark()
            times += self._timeline.take()
        apart_ms = sum(step.segment_ms for step in profile.steps) + profile.steps[-1].exit_us / US_PER_MS
        return (median(times) - apart_ms) * US_PER_MS / (len(profile.steps) - 1)

    def _check_switches(self) -> None:
        switch = self._chain.device.probe_switch()
        if not switch.ok:
            raise EngineError("--device-exits", switch.reason, "Let the host decide")
        if not all(session.capturable for row in self._slot.sessions for session in row):
            raise EngineError("--device-exits", "an engine cannot be recorded into a graph", "Let the host decide")

    def _load(self, given: Mapping[str, Array | DeviceView], thresholds: Sequence[float | None]) -> None:
        numbers = [np.nan if value is None else value for value in thresholds]
        self._slot.memory.load(given, slice(0, self._samples), [*numbers, np.nan], self._slot.stream)

    def _hosted(self, thresholds: Sequence[float | None]) -> _Hosted:
        """The batch as the executor runs it; each segment's end is marked."""
        path, host_ns, rows = list[_Step](), 0, self._rows
        started = perf_counter_ns()
        self._load(self._given, thresholds)
        for segment, numbers in enumerate(self._decisions.bucket_of_rows):
            self._hot.launch(segment, int(numbers[rows]), self._slot.stream)
            self._timeline.mark()
            host_ns += perf_counter_ns() - started
            self._timeline.wait()
            started = perf_counter_ns()
            survivors, left = self._slot.memory.signalled(segment)
            path.append(_Step(number=int(numbers[rows]), survivors=survivors, next_rows=left))
            rows = left
            if not survivors:
                break
        return _Hosted(path=tuple(path), gaps_ms=self._timeline.take(), host_ms=host_ns / NS_PER_MS)

    def _queued(self, path: Sequence[_Step], thresholds: Sequence[float | None]) -> list[float]:
        """Milliseconds: copy in, then for each segment itself, its exit without moves, and with them."""
        stream, buckets = self._slot.stream, self._decisions.buckets
        self._ballast.enqueue(self._enqueue_ms)
        started = perf_counter_ns()
        self._timeline.mark()
        self._load(self._pinned, thresholds)
        self._timeline.mark()
        for segment, step in enumerate(path):
            self._sessions[segment][step.number]()
            self._timeline.mark()
            self._deciding.launch(segment, rows=buckets[step.number], stream=stream)
            self._timeline.mark()
            self._kernels.launch(segment, rows=buckets[step.number], stream=stream)
            self._timeline.mark()
        self._enqueue_ms = (perf_counter_ns() - started) / NS_PER_MS
        return self._timeline.take()

    def _ended_as(self, path: Sequence[_Step]) -> bool:
        """Whether the exits of the last round said what those of a path did."""
        said = [self._slot.memory.signalled(segment) for segment in range(len(path))]
        return said == [(step.survivors, step.next_rows) for step in path]

    def _result(
        self, path: Sequence[_Step], hosted: Sequence[_Hosted], queued: Sequence[Sequence[float]]
    ) -> ChainProfile:
        """Medians of all rounds."""
        copy_in_ms, *pieces = (float(value) for value in np.median(np.array(queued), axis=0))
        segments, decisions, exits = pieces[0::3], pieces[1::3], pieces[2::3]
        gaps = np.median(np.array([each.gaps_ms for each in hosted]), axis=0).tolist()
        steps = []
        for index, step in enumerate(path):
            last = index == len(path) - 1
            lost_ms = 0.0 if last else gaps[index] - segments[index + 1] - exits[index + 1]
            steps.append(
                StepProfile(
                    rows=self._decisions.buckets[step.number],
                    survivors=step.survivors,
                    segment_ms=segments[index],
                    decision_us=decisions[index] * US_PER_MS,
                    exit_us=exits[index] * US_PER_MS,
                    boundary_us=None if last else (lost_ms + exits[index]) * US_PER_MS,
                )
            )
        return ChainProfile(
            samples=self._samples,
            rounds=len(hosted),
            copy_in_ms=copy_in_ms,
            steps=tuple(steps),
            host_ms=median(each.host_ms for each in hosted),
        )


def _without_moves(chain: DeviceChain) -> DeviceChain:
    """The same chain with nothing across its boundaries: its exit kernels decide and answer, but move nothing."""
    still = copy(chain)
    still.layout = copy(chain.layout)
    still.layout.crossing = tuple(() for _ in chain.layout.crossing)
    return still
