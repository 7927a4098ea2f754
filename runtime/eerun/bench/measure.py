"""The interleaved run: contestants take turns on the same batches; `eerun.bench.turns` says in which order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.bench.batches import batches_of
from eerun.bench.contestants import Answer, Contestant
from eerun.bench.length_meter import Meter
from eerun.bench.rivals import Rival
from eerun.bench.settings import BenchSettings
from eerun.bench.turns import Settle, block_batches, turns_of_block
from eerun.bench.unfolded import UNFOLDED
from eerun.executor import Step

__all__ = ["CHAIN", "EXITS_OFF", "PADDED", "REGROUPED", "Measured", "Parts", "RivalCall", "measure", "padded_name"]

CHAIN, EXITS_OFF, PADDED, REGROUPED = "chain", "exits-off", "padded", "regrouped"

RIVAL_ENGINE = "the rival's own"

METER_SHARE = 0.25
"""Share of the run that goes into measuring the segments by themselves."""

RIVAL_SHARE = 0.4
"""Share of the run that a slow rival may take; it answers fewer batches than the others."""

RIVAL_SAMPLES = 4
"""How many samples of a batch a one-by-one rival answers."""

LEAST_ROUNDS = 5
"""Least number of times that every segment, and a rival, is measured."""

LEAST_WARM_UP = 2

Parts = tuple[tuple[Step, ...], ...]
"""For each part of a batch, what each segment did."""


def padded_name(whole: str) -> str:
    """Name of a whole network's contestant with every sample padded to the greatest length."""
    return f"{whole}-{PADDED}"


@dataclass(frozen=True, kw_only=True, eq=False)
class RivalCall:
    """One call of the rival: which batch, what it took, what it said to the first samples of the batch."""

    batch: int
    time_ns: int
    samples: NDArray[np.intp]
    labels: NDArray[np.int64]
    exit_index: NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """Raw results.

    Attributes:
        times_ns: contestant -> `[batches] int64`.
        steps: `[batch][part]` what the chain's segments did.
        unfolded_steps: the same of the chain of an unfolded bundle; none without one.
        regrouped_steps: the same of the folded chain with the other grouping; none without one.
        labels: contestant -> `[samples] int64` answers of the first pass over all samples; maps `[samples, height,
            width]` in the smallest integer type.
        exit_index: `[samples] int32` where the chain let each sample leave in that pass.
        rival: calls of the further rival.
        wall_ns: nanoseconds of the run, warm-up not counted.
    """

    times_ns: Mapping[str, NDArray[np.int64]]
    steps: Sequence[Parts]
    unfolded_steps: Sequence[Parts]
    regrouped_steps: Sequence[Parts]
    labels: Mapping[str, NDArray[Any]]
    exit_index: NDArray[np.int32]
    rival: Sequence[RivalCall]
    wall_ns: int


class _Recorder:
    """Collects what the contestants say and how long they take."""

    def __init__(self, samples: int, contestants: Mapping[str, Contestant], output: Sequence[int]) -> None:
        self.samples = samples
        self.contestants = contestants
        self.settle = Settle()
        self.times: dict[str, list[int]] = {name: [] for name in contestants}
        dtype = np.min_scalar_type(output[0]) if len(output) > 1 else np.dtype(np.int64)
        self.labels = {name: np.empty((samples, *output[1:]), dtype) for name in contestants}
        self.exit_index = np.empty(samples, np.int32)
        self.steps: dict[str, list[Parts]] = {CHAIN: [], UNFOLDED: [], REGROUPED: []}
        self.rival: list[RivalCall] = []
        self.rival_ns = 0
        self.seen = 0

    def turn(self, name: str, before: Mapping[str, Array], block: "_Block") -> None:
        """Let one contestant answer one block, after an untimed call on the batch before it."""
        answer_batch = self.contestants[name].answer
        self.settle.before(self.contestants[name].engine)
        answer_batch(before)
        seen = self.seen
        for index, inputs in zip(block.index, block.inputs, strict=True):
            started = perf_counter_ns()
            answer = answer_batch(inputs)
            self.times[name].append(perf_counter_ns() - started)
            self._keep(name, answer, index, seen)
            seen += len(index)

    def rival_turn(self, rival: Rival, block: "_Block", batch: int) -> None:
        """Let the rival answer the first samples of the first batch of a block, after all others have answered it."""
        few = {name: array[:RIVAL_SAMPLES] for name, array in block.inputs[0].items()}
        self.settle.before(RIVAL_ENGINE)
        before = perf_counter_ns()
        labels, exit_index = rival(few)
        took = perf_counter_ns() - before
        self.rival_ns += took
        samples = block.index[0][:RIVAL_SAMPLES]
        call = RivalCall(batch=batch, time_ns=took, samples=samples, labels=labels, exit_index=exit_index)
        self.rival.append(call)

    def measured(self, wall_ns: int) -> Measured:
        """Everything that was collected."""
        return Measured(
            times_ns={name: np.array(times, np.int64) for name, times in self.times.items()},
            steps=self.steps[CHAIN],
            unfolded_steps=self.steps[UNFOLDED],
            regrouped_steps=self.steps[REGROUPED],
            labels=self.labels,
            exit_index=self.exit_index,
            rival=self.rival,
            wall_ns=wall_ns,
        )

    def _keep(self, name: str, answer: Answer, index: NDArray[np.intp], seen: int) -> None:
        """Keep the answers that belong to the first pass over the samples."""
        first = max(0, min(len(index), self.samples - seen))
        self.labels[name][index[:first]] = answer.labels[:first]
        if name in self.steps:
            self.steps[name].append(answer.steps)
        if name == CHAIN and answer.exit_index is not None:
            self.exit_index[index[:first]] = answer.exit_index[:first]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Block:
    """A few batches: indices of their samples, and the samples."""

    index: Sequence[NDArray[np.intp]]
    inputs: Sequence[Mapping[str, Array]]


def measure(
    contestants: Mapping[str, Contestant],
    rival: Rival | None,
    meter: Meter,
    inputs: Mapping[str, Array],
    settings: BenchSettings,
    progress: Callable[[float], None],
    *,
    output: Sequence[int],
) -> Measured:
    """Run all contestants until the time is over and every sample was seen once.

    Args:
        contestants: `CHAIN`, `EXITS_OFF` and whole networks, at least one.
        rival: a slow rival, or None; it answers the first samples of some batches.
        meter: measures the chain's segments by themselves in between.
        inputs: samples `[samples, ...]` by input name.
        settings: batch, duration, warm-up and seed.
        progress: called with the share of the run that is over.
        output: shape of one sample's logits.
    """
    samples = len(next(iter(inputs.values())))
    before = _warm_up(contestants, rival, meter, inputs, settings)
    engines = {name: contestant.engine for name, contestant in contestants.items()}
    recorder = _Recorder(samples, contestants, output)
    started = perf_counter_ns()
    for number, block in enumerate(_blocks(inputs, settings)):
        order = turns_of_block(engines, number)
        for name in order:
            recorder.turn(name, before, block)
        recorder.seen += sum(map(len, block.index))
        before = block.inputs[-1]
        elapsed_ns = perf_counter_ns() - started
        if engines[order[-1]] == engines[CHAIN]:
            meter.catch_up(METER_SHARE * elapsed_ns)
        if rival is not None and recorder.rival_ns <= RIVAL_SHARE * elapsed_ns:
            recorder.rival_turn(rival, block, number * len(block.index))
        done = _share_done(recorder, meter, elapsed_ns, settings, with_rival=rival is not None)
        progress(done)
        if done >= 1:
            break
    return recorder.measured(perf_counter_ns() - started)


def _blocks(inputs: Mapping[str, Array], settings: BenchSettings) -> Iterator[_Block]:
    """Blocks of batches without end."""
    samples = len(next(iter(inputs.values())))
    batches = batches_of(samples, settings.batch_size, seed=settings.seed)
    while True:
        index = list(islice(batches, block_batches(settings.batch_size)))
        yield _Block(index=index, inputs=[{name: array[i] for name, array in inputs.items()} for i in index])


def _share_done(
    recorder: _Recorder, meter: Meter, elapsed_ns: int, settings: BenchSettings, *, with_rival: bool
) -> float:
    """How much of the run is over: time, samples, and least rounds, whichever is furthest behind."""
    shares = [1.0, recorder.seen / recorder.samples, meter.rounds / LEAST_ROUNDS]
    if settings.duration_s:
        shares.append(elapsed_ns / (settings.duration_s * 1e9))
    if with_rival:
        shares.append(len(recorder.rival) / LEAST_ROUNDS)
    return min(shares)


def _warm_up(
    contestants: Mapping[str, Contestant],
    rival: Rival | None,
    meter: Meter,
    inputs: Mapping[str, Array],
    settings: BenchSettings,
) -> Mapping[str, Array]:
    """Let everyone run on real samples, in other orders than in the run; return the last batch."""
    started, samples = perf_counter_ns(), len(next(iter(inputs.values())))
    given: Mapping[str, Array] = {}
    for turn, index in enumerate(batches_of(samples, settings.batch_size, seed=settings.seed + 1)):
        given = {name: array[index] for name, array in inputs.items()}
        for contestant in contestants.values():
            contestant.answer(given)
        if rival is not None and not turn:
            rival({name: array[:RIVAL_SAMPLES] for name, array in given.items()})
        meter.warm_up()
        if turn + 1 >= LEAST_WARM_UP and perf_counter_ns() - started >= settings.warm_up_ms * 1e6:
            break
    return given
