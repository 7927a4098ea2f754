"""A lane over a chain on the host that stops between segments: survivors of several runs go on together."""

import threading
from collections import Counter
from collections.abc import Sequence
from time import perf_counter_ns

from eengines.tensors import Array
from eerun.costs import CostTable
from eerun.executor import LoadedChain, Step
from eerun.folding import rows_of
from eerun.scheduler.lanes.calls import Calls
from eerun.scheduler.lanes.decide import decide
from eerun.scheduler.lanes.decide_groups import decide_groups
from eerun.scheduler.lanes.enter import Entrance
from eerun.scheduler.lanes.gather import Gathered, gather
from eerun.scheduler.lanes.lane import Chunk, Ran
from eerun.scheduler.lanes.row_facts import GONE, STATE, RowFacts
from eerun.scheduler.lanes.stages import Stages
from eerun.scheduler.lanes.verdict import Verdict
from eerun.scheduler.request import Request

__all__ = ["ChainLane"]


class ChainLane:
    """See `Lane`. A row is a sample, or a group of images of a folded network, which may be of several calls.

    Args:
        loaded: engines of a chain whose heads are in its segments; its own buffers are not touched.
        costs: its measured times.
        max_rows: the most rows that run together.
        lock: held while a segment runs.
        length: the length bucket of the chain; None: it has no sequence axis.
    """

    mixes = True
    in_flight = 1

    def __init__(
        self,
        loaded: LoadedChain,
        costs: CostTable,
        *,
        max_rows: int,
        lock: threading.Lock,
        length: int | None = None,
    ) -> None:
        self.fold, self.segments = loaded.chain.fold, len(loaded.engines)
        self.max_rows, self.costs = max_rows, costs
        self._lock, self._length = lock, length
        self.waiting = [0] * self.segments
        self._stages = Stages(loaded, costs, max_rows=max_rows)
        self._facts = [RowFacts(max_rows, self.fold) for _ in range(self.segments)]
        self._calls = Calls(self.segments, max_rows * self.fold * self.segments)
        self._entrance = Entrance(self._stages.inputs, self._facts[0], self._calls, loaded.chain)
        self._decide = decide if self.fold == 1 else decide_groups
        self._score_shape = (-1,) if self.fold == 1 else (-1, self.fold)
        self._stages.warm_up()

    def start(self, chunks: Sequence[Chunk]) -> Ran:
        """See `Lane.start`."""
        samples = sum([chunk.count for chunk in chunks])
        rows = rows_of(samples, self.fold)
        if not 1 <= rows <= self.max_rows:
            raise ValueError(f"{rows} rows enter, expected 1 to {self.max_rows}")
        self._check_room(0, rows)
        done = False
        try:
            self._facts[0].samples[:rows, :, STATE] = GONE  # until all of them have entered
            self._entrance.enter(chunks, samples)
            ran = self._pass(0, rows)
            done = True
        finally:
            if not done:
                self._lose(0, rows)
        return ran

    def run(self, segment: int) -> Ran:
        """See `Lane.run`."""
        rows = self.waiting[segment] if 0 < segment < self.segments else 0
        if not rows:
            raise ValueError(f"no rows wait at segment {segment}")
        self._check_room(segment, rows)
        done = False
        try:
            ran = self._pass(segment, rows)
            done = True
        finally:
            if not done:
                self._lose(segment, rows)
        return ran

    def requests_at(self, segment: int) -> tuple[Request, ...]:
        """See `Lane.requests_at`."""
        calls = self._facts[segment].calls(self.waiting[segment]).tolist()
        return tuple(dict.fromkeys(self._calls[call] for call in dict.fromkeys(calls)))

    def _check_room(self, segment: int, rows: int) -> None:
        """All rows of this segment fit behind those that wait before the next."""
        if segment + 1 < self.segments and self.waiting[segment + 1] + rows > self.max_rows:
            there = f"{self.waiting[segment + 1]} of {self.max_rows} rows wait before segment {segment + 1} already"
            raise ValueError(f"{rows} rows cannot run through segment {segment}: {there}")

    def _pass(self, segment: int, rows: int) -> Ran:
        """Run a segment on all rows that wait there; nothing is noted before everything has succeeded."""
        behind = segment + 1 < self.segments and self.waiting[segment + 1] > 0
        with self._lock:
            started = perf_counter_ns()
            self._stages.run(segment, rows, behind=behind)
            ended = perf_counter_ns()
        said = self._stages.said(segment, behind=behind)
        verdict, found = self._leave(segment, rows, said)
        answered = perf_counter_ns()
        if len(verdict.stay):
            self._go_on(segment, rows, verdict)
        self.waiting[segment] = 0
        for each in found:
            self._calls.leave(each.calls, each.leave)
        step = Step(
            segment=segment,
            rows=rows,
            entered=rows,
            left=rows - len(verdict.stay),
            run_ns=ended - started,
            boundary_ns=perf_counter_ns() - ended,
            answered_ns=answered - started,
            length=self._length,
            answered=None if self.fold == 1 else len(verdict.answered),
        )
        return Ran(steps=(step,), answered=tuple([each.answered for each in found]))

    def _leave(self, segment: int, rows: int, said: tuple[Array, Array]) -> tuple[Verdict, list[Gathered]]:
        """Decide who leaves, and make the answers."""
        facts, found = self._facts[segment], list[Gathered]()
        scores = said[1][: rows * self.fold].reshape(self._score_shape)
        verdict = self._decide(facts, scores, self._calls, segment)
        for index, late in ((verdict.answered, False), (verdict.late, True)):
            if len(index):
                found.append(gather(facts, index, self._calls, said, segment, late=late))
        return verdict, found

    def _go_on(self, segment: int, rows: int, verdict: Verdict) -> None:
        """Move those that stay behind those that wait before the next segment."""
        waiting = self.waiting[segment + 1]
        facts = tuple(zip(verdict.facts, self._facts[segment + 1].arrays, strict=True))
        self._stages.advance(segment, rows, verdict.stay, facts, waiting=waiting)
        self.waiting[segment + 1] = waiting + len(verdict.stay)

    def _lose(self, segment: int, rows: int) -> None:
        """Forget the rows of a run that failed."""
        self.waiting[segment] = 0
        inside = Counter(self._facts[segment].calls(rows).tolist())
        self._calls.leave(list(inside), list(inside.values()))
