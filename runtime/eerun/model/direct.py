"""`Model.infer`: in the thread of the caller while nobody else is served, else as one of the calls that are queued."""

import threading
from collections.abc import Mapping, Sequence
from time import perf_counter_ns
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView
from eengines.tensors import Array
from eerun.executor import Answers, Executor, Step
from eerun.executor.host import on_host
from eerun.model.answer import Arrays, answer_directly, empty_answers
from eerun.model.parts import Parts, part_of, parts_of
from eerun.model.result import NOBODY, Result
from eerun.model.service import Service, WayOut
from eerun.scheduler.replies import FutureReply
from eerun.scheduler.worker import on_worker
from eerun.shadow import Shadow, Turn

__all__ = ["Direct"]

StepsOfBatches = tuple[tuple[Step, ...], ...]


class Ran(NamedTuple):
    """What came of one part.

    Attributes:
        steps: of its batches; empty where it shared them with others.
        step: which certified thresholds answered.
        queue_ns: how long it waited in the queue.
        compute_ns: how long it took from there.
    """

    steps: StepsOfBatches
    step: int
    queue_ns: int = 0
    compute_ns: int = 0


class Direct:
    """See the module.

    Args:
        service: the queue of the model.
        executor: runs samples.
        shadow: watches the model; None: nobody does.
        exits: how many the model has.
        max_batch: the largest number of samples that run together.
        in_flight: how many calls run at once without the queue.
    """

    def __init__(
        self, service: Service, executor: Executor, shadow: Shadow | None, *, exits: int, max_batch: int, in_flight: int
    ) -> None:
        self._service, self._executor, self._shadow = service, executor, shadow
        self._exits, self._max_batch = exits, max_batch
        self._room = threading.Semaphore(in_flight)

    def infer(self, arrays: Arrays, count: int, *, exits: bool) -> Result:
        """Answer a call; see `Model.infer`.

        A thread of a scheduler never waits for the queue, which may be its own: there a call runs at once, between
        two runs.
        """
        way_out = (exits, 0, self._exits - 1)
        if on_worker() or any(isinstance(array, DeviceView) for array in arrays.values()):
            return self._alone(arrays, count, way_out)
        if count <= self._max_batch:
            return self._small(arrays, count, way_out)
        parts = parts_of(self._executor, arrays, count, self._max_batch)
        return self._alone(arrays, count, way_out) if parts is None else self._large(arrays, count, way_out, parts)

    def _small(self, arrays: Arrays, count: int, way_out: WayOut) -> Result:
        """Answer a call that fits into one batch."""
        if not self._begins():
            reply = FutureReply()
            if self._service.offer(self._service.queued(arrays, count, reply, way_out, perf_counter_ns())):
                result: Result = reply.result()
                return result
            return self._alone(arrays, count, way_out)
        try:
            return self._alone(arrays, count, way_out)
        finally:
            self._room.release()

    def _alone(self, arrays: Arrays, count: int, way_out: WayOut) -> Result:
        """Answer a call in this thread, the whole of it."""
        turn = self._service.turn(count, exits=way_out[0])
        answers = empty_answers(count, self._executor.output_shape, turn)
        ran = self._run(arrays, answers, turn, way_out)
        if turn is not None and self._shadow is not None:
            self._shadow.finish(turn, answers)
        return _result(answers, turn, [ran], order=None)

    def _large(self, arrays: Arrays, count: int, way_out: WayOut, parts: Parts) -> Result:
        """Answer a call part by part: each in this thread if nobody else is served then, else through the queue."""
        given: Mapping[str, Array] = on_host(arrays)
        if parts.order is not None:
            given = {name: array[parts.order] for name, array in given.items()}
        turn = self._service.turn(count, exits=way_out[0])
        answers = empty_answers(count, self._executor.output_shape, turn)
        watch = None if turn is None or self._shadow is None else _Watch(self._shadow, turn, answers, len(parts.rows))
        started_ns, done = perf_counter_ns(), list[Ran]()
        for rows in parts.rows:
            waited_ns = perf_counter_ns() - started_ns
            part = {name: array[rows] for name, array in given.items()}
            ran = self._part(part, part_of(answers, rows), turn, way_out, watch)
            done.append(ran._replace(steps=_later(ran.steps, waited_ns)))
        return _result(answers, turn, done, order=parts.order)

    def _part(self, given: Arrays, answers: Answers, turn: Turn | None, way_out: WayOut, watch: "_Watch | None") -> Ran:
        """Answer one part of a call."""
        begins = self._begins()
        try:
            if not begins:
                observe = None if watch is None else watch.seen
                request = self._service.part(given, answers, turn, way_out, observe)
                if self._service.offer(request):
                    ran: Ran = Ran((), *request.reply.result())  # type: ignore[attr-defined]  # it is a FutureReply
                    return ran
            ran = self._run(given, answers, turn, way_out)
        finally:
            if begins:
                self._room.release()
        if watch is not None:
            watch.seen()
        return ran

    def _begins(self) -> bool:
        """Whether nobody else is served, so that something may run in this thread; then release `_room` behind it."""
        return self._service.free and self._room.acquire(blocking=False)

    def _run(self, arrays: Arrays, answers: Answers, turn: Turn | None, way_out: WayOut) -> Ran:
        """Run samples in this thread."""
        step = self._service.step if turn is None else turn.step
        thresholds: Sequence[float | None] = self._service.steps[step] if turn is None else turn.thresholds
        if not way_out[0]:
            thresholds = (None,) * (self._exits - 1)
        steps = answer_directly(self._executor, arrays, thresholds, answers, max_batch=self._max_batch)
        return Ran(steps, step)


class _Watch:
    """Tells the shadow of a call when the watched samples of all parts have been to the final exit.

    Args:
        shadow: is told.
        turn: of the call.
        answers: of the call.
        parts: how many there are.
    """

    def __init__(self, shadow: Shadow, turn: Turn, answers: Answers, parts: int) -> None:
        self._shadow, self._turn, self._answers, self._missing = shadow, turn, answers, parts
        self._lock = threading.Lock()

    def seen(self, _: object = None) -> None:
        """Take note of one part."""
        with self._lock:
            self._missing -= 1
            last = self._missing == 0
        if last:
            self._shadow.finish(self._turn, self._answers)


def _later(batches: StepsOfBatches, waited_ns: int) -> StepsOfBatches:
    """Steps of a part that began so long after the call."""
    return tuple(tuple(s._replace(answered_ns=s.answered_ns + waited_ns) for s in steps) for steps in batches)


def _result(answers: Answers, turn: Turn | None, done: Sequence[Ran], *, order: NDArray[np.intp] | None) -> Result:
    """What the caller gets."""
    watched = None if turn is None else turn.watched
    rows = NOBODY if watched is None else watched.chosen.nonzero()[0]
    outputs, exit_index, confidence = answers.outputs, answers.exit_index, answers.confidence
    if order is not None:
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        outputs, exit_index, confidence = outputs[back], exit_index[back], confidence[back]
        rows = np.sort(order[rows])
    return Result(
        outputs=outputs,
        labels=outputs.argmax(axis=1),
        exit_index=exit_index,
        confidence=confidence,
        steps=tuple(steps for ran in done for steps in ran.steps),
        step=min(ran.step for ran in done),
        shadowed=rows,
        queue_ns=sum(ran.queue_ns for ran in done),
        compute_ns=sum(ran.compute_ns for ran in done),
    )
