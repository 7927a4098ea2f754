"""Drives a lane through any order of runs that it allows, and collects who is answered where."""

import numpy as np

from eerun.executor import Answers, HostExecutor, Shadowed, Step
from eerun.folding import rows_of
from eerun.scheduler import Request, Terms
from eerun.scheduler.lanes import Chunk, Lane, Ran
from eerun.scheduler.request import Part

__all__ = [
    "LaneDriver",
    "all_at_once",
    "answer_alone",
    "check_same",
    "parts_of",
    "request_of",
    "run_alone",
    "unanswered",
]

FORCED = -float("inf")


def unanswered(count: int, shape: tuple[int, ...]) -> Answers:
    return Answers(
        outputs=np.full((count, *shape), np.nan, np.float32),
        exit_index=np.full(count, -1, np.int32),
        confidence=np.full(count, np.nan, np.float32),
    )


def request_of(inputs, shape, thresholds, *, max_exit=None, chosen=None) -> Request:
    """A call; `chosen` says which samples are watched."""
    count, last = len(next(iter(inputs.values()))), len(thresholds)
    answers = unanswered(count, shape)
    shadow = None
    if chosen is not None:
        shadow = Shadowed.of(chosen, shape)
        shadow.outputs[:] = np.nan
    return Request(
        inputs=inputs,
        count=count,
        terms=Terms(thresholds=tuple(thresholds), max_exit=last if max_exit is None else max_exit),
        answers=Answers(
            outputs=answers.outputs, exit_index=answers.exit_index, confidence=answers.confidence, shadow=shadow
        ),
    )


def answer_alone(executor: HostExecutor, request: Request) -> Answers:
    """The same call through the executor, by itself; watched samples too."""
    return run_alone(executor, request)[0]


def run_alone(executor: HostExecutor, request: Request) -> tuple[Answers, tuple[tuple[Step, ...], ...]]:
    """The same, with what each segment did."""
    thresholds, given = list(request.terms.thresholds), request.answers.shadow
    if request.terms.max_exit < len(thresholds):
        thresholds[request.terms.max_exit] = FORCED
    plain = unanswered(request.count, executor.output_shape)
    shadow = None
    if given is not None:
        shadow = Shadowed.of(given.chosen, executor.output_shape, fold=executor.fold)
        shadow.outputs[:] = np.nan
    answers = Answers(outputs=plain.outputs, exit_index=plain.exit_index, confidence=plain.confidence, shadow=shadow)
    return answers, executor.infer(request.inputs, thresholds, answers)


def all_at_once(low: int, high: int) -> int:
    """A choice: as many rows as there are, and the deepest segment that may run."""
    return high


def parts_of(ran: Ran) -> list[Part]:
    """The answers of a run by exit and call."""
    return [part for answered in ran.answered for part in answered.parts()]


class LaneDriver:
    """Sends calls through a lane. Every sample must be answered exactly once.

    Attributes:
        steps: of all runs so far.
        lost: calls with a sample in a run that failed.
        started: the chunks of each start.
    """

    def __init__(self, lane: Lane, requests, choose) -> None:
        """`choose(low, high)` returns a number from low to high."""
        self.lane, self.choose = lane, choose
        self.door = [Chunk(request=request, start=0, count=request.count) for request in requests]
        self.steps, self.lost, self.started = [], set(), []

    def finish(self) -> None:
        """Run until nobody waits."""
        while self.advance():
            pass
        assert list(self.lane.waiting) == [0] * self.lane.segments

    def advance(self) -> bool:
        """One run, any that is allowed; False: nobody waits anywhere."""
        lane, ways = self.lane, []
        for segment in range(1, lane.segments):
            behind = lane.waiting[segment + 1] if segment + 1 < lane.segments else 0
            if lane.waiting[segment] and lane.waiting[segment] + behind <= lane.max_rows:
                ways.append(segment)
        room = lane.max_rows - (lane.waiting[1] if lane.segments > 1 else 0)
        if self.door and room:
            ways.append(0)
        if not ways:
            return False
        way = ways[self.choose(0, len(ways) - 1)]
        if way:
            self.run(way)
        else:
            self.start(self.choose(1, room))
        return True

    def run(self, segment: int) -> None:
        """Run one segment."""
        inside = self.lane.requests_at(segment)
        rows = self.lane.waiting[segment]
        try:
            ran = self.lane.run(segment)
        except Exception:
            self.lost |= set(inside)
            raise
        assert {part.request for part in parts_of(ran)} <= set(inside)
        self._take(ran, segment, rows)

    def start(self, rows: int) -> None:
        """Let samples enter, from several calls."""
        chunks, left = [], rows * self.lane.fold
        while self.door and left:
            first = self.door[0]
            count = min(left, self.choose(1, first.count))
            chunks.append(Chunk(request=first.request, start=first.start, count=count, share=first.share))
            rest = Chunk(request=first.request, start=first.start + count, count=first.count - count, share=first.share)
            self.door[:1] = [rest] if rest.count else []
            left -= count
        self.started.append(chunks)
        try:
            ran = self.lane.start(chunks)
        except Exception:
            self.lost |= {chunk.request for chunk in chunks}
            raise
        self._take(ran, 0, rows_of(sum(chunk.count for chunk in chunks), self.lane.fold))

    def _take(self, ran: Ran, segment: int, rows: int) -> None:
        """Write answers as the scheduler does, and look at the step."""
        (step,) = ran.steps
        assert (step.segment, step.rows, step.entered) == (segment, rows, rows)
        in_time = sum(len(part.samples) for part in parts_of(ran) if not part.late)
        if self.lane.fold > 1:
            assert step.answered == in_time
        self.steps.append(step)
        for part in parts_of(ran):
            answers, samples = part.request.answers, part.samples
            assert part.exit_index == segment
            assert len(samples) == len(part.outputs) == len(part.confidence) > 0
            if part.late:
                assert answers.shadow is not None
                assert segment == self.lane.segments - 1
                assert answers.shadow.chosen[samples].all()
                assert (answers.exit_index[samples] >= 0).all()
                assert not answers.shadow.early[samples].any(), "late twice"
                answers.shadow.early[samples] = True
                answers.shadow.outputs[samples] = part.outputs
                continue
            assert (answers.exit_index[samples] == -1).all(), "answered twice"
            assert len(set(samples.tolist())) == len(samples)
            answers.outputs[samples] = part.outputs
            answers.exit_index[samples] = segment
            answers.confidence[samples] = part.confidence
            part.request.missing -= len(samples)


def check_same(found: Answers, expected: Answers) -> None:
    """Bit for bit, with what was watched."""
    for field in ("exit_index", "outputs", "confidence"):
        assert np.array_equal(getattr(found, field), getattr(expected, field), equal_nan=True), field
    if expected.shadow is not None:
        assert found.shadow is not None
        assert np.array_equal(found.shadow.early, expected.shadow.early)
        assert np.array_equal(found.shadow.outputs, expected.shadow.outputs, equal_nan=True)
