"""The queue of a model: makes calls of what the caller gives, and begins with the first that needs it."""

import threading
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Any

from eengines.errors import ClosedError, InputError, OverloadError, UserError
from eerun.bundle import InputEntry
from eerun.costs import CostTable
from eerun.executor import Answers, Executor
from eerun.folding import rows_of
from eerun.inputs import check_views
from eerun.model.answer import Arrays, Conclusion, conclude_part, empty_answers
from eerun.model.call import Options, deadline_after, exit_range, make_terms
from eerun.model.child_process import leave_engines_alone
from eerun.scheduler import Request, Scheduler, SchedulerSettings, Snapshot, Statistics, Terms
from eerun.scheduler.alive import on_fork
from eerun.scheduler.lanes import open_lanes
from eerun.scheduler.replies import FutureReply, Reply
from eerun.scheduler.worker import on_worker
from eerun.shadow import Shadow, Turn

__all__ = ["Service", "WayOut"]

CLOSED = "the model is closed"
FORKED = "the model was loaded in the parent of this process, whose threads do not exist here"

WayOut = tuple[bool, int, int]
"""Whether exits are used, and the first and the last of them."""


class Service:
    """See the module. When nobody refers to it any more, it answers what it accepted, and its threads end.

    Args:
        executor: runs samples.
        costs: measured times of its chain.
        inputs: what the bundle declares.
        exits: names of the exits.
        steps: thresholds as loaded, then those of each fallback that may be used.
        shadow: watches the model; None: nobody does.
        max_batch: the largest number of samples that run together.
        in_flight: how many batches run at once.
        scheduling: limits and delays.
        where: the bundle, for messages.

    Attributes:
        steps: see above.
        scheduler: runs calls; None: there was none yet.
    """

    def __init__(  # noqa: PLR0913 - a keyword for each part that it is made of
        self,
        *,
        executor: Executor,
        costs: CostTable,
        inputs: Sequence[InputEntry],
        exits: Sequence[str],
        steps: Sequence[tuple[float | None, ...]],
        shadow: Shadow | None,
        max_batch: int,
        in_flight: int,
        scheduling: SchedulerSettings,
        where: str,
    ) -> None:
        self._executor, self._costs, self._inputs = executor, costs, inputs
        self._exits, self.steps, self._shadow = tuple(exits), tuple(steps), shadow
        self._max_batch, self._in_flight, self._scheduling, self._where = max_batch, in_flight, scheduling, where
        self._ladders: dict[WayOut, tuple[Terms, ...]] = {}
        self._statistics = Statistics(self._exits, max_rows=rows_of(max_batch, executor.fold))
        self._conclusion = Conclusion(shadow)
        self._refusal: str | None = None
        self._lock = threading.Condition()
        self._callers = Counter[int]()
        self.scheduler: Scheduler | None = None
        on_fork(self)

    @property
    def free(self) -> bool:
        """Whether nothing runs and nobody waits."""
        scheduler = self.scheduler
        return scheduler is None or scheduler.idle

    @property
    def step(self) -> int:
        """Which of `steps` is used."""
        scheduler = self.scheduler
        return len(self.steps) - 1 if scheduler is None else scheduler.step

    def check_open(self) -> None:
        """Refuse calls after the end, and in a child by fork.

        Raises:
            ClosedError: it is so.
        """
        if self._refusal is not None:
            raise ClosedError(self._where, self._refusal, "Load it again")

    def close(self, *, drain: bool, timeout_s: float | None) -> bool:
        """See `Scheduler.close`; calls that have entered are waited for, too."""
        started_ns = perf_counter_ns()
        with self._lock:
            self._refusal = self._refusal or CLOSED
            scheduler = self.scheduler
        if scheduler is not None and not scheduler.close(drain=drain, timeout_s=timeout_s):
            return False
        if on_worker():
            return not self._callers
        used_s = (perf_counter_ns() - started_ns) / 1e9
        with self._lock:
            self._lock.wait_for(self._others_left, None if timeout_s is None else max(timeout_s - used_s, 0))
            return not self._callers

    def enter(self) -> None:
        """Take note of a call in this thread; `leave` ends it.

        Raises:
            ClosedError: see `check_open`.
        """
        with self._lock:
            self.check_open()
            self._callers[threading.get_ident()] += 1

    def leave(self) -> None:
        """Take note that a call in this thread is over."""
        caller = threading.get_ident()
        with self._lock:
            self._callers[caller] -= 1
            if not self._callers[caller]:
                del self._callers[caller]
            if self._refusal is not None:
                self._lock.notify_all()

    def _others_left(self) -> bool:
        """Whether no other thread has a call here; a signal may close the model in the midst of a call."""
        return not self._callers.keys() - {threading.get_ident()}

    def forked(self) -> None:
        """See `eerun.scheduler.alive.Forks`."""
        self._refusal, self._lock = FORKED, threading.Condition()
        self._callers.clear()
        leave_engines_alone(self._executor, self.scheduler)

    def snapshot(self) -> Snapshot:
        """Return what was done so far, also when it is closed.

        Raises:
            ClosedError: the model was loaded in the parent of this process.
        """
        if self._refusal is FORKED:
            self.check_open()
        scheduler = self.scheduler
        return self._statistics.snapshot(step=self.step) if scheduler is None else scheduler.snapshot()

    def running(self) -> Scheduler:
        """Return the scheduler, which begins with the first call that needs it."""
        running = self.scheduler
        if running is not None and self._refusal is None:  # one that closes meanwhile refuses by itself
            return running
        with self._lock:
            self.check_open()
            if self.scheduler is None:
                lanes = open_lanes(self._executor, self._costs, max_batch=self._max_batch, in_flight=self._in_flight)
                scheduler = Scheduler(lanes, self._statistics, settings=self._scheduling, where=self._where)
                weakref.finalize(self, scheduler.begin_to_close, drain=True)
                self.scheduler = scheduler
            return self.scheduler

    def turn(self, count: int, *, exits: bool) -> Turn | None:
        """Say who of a call is watched; None: the model is not, or exits are off."""
        return self._shadow.start(count, self._executor.output_shape) if exits and self._shadow is not None else None

    def request(self, x: Any, reply: Reply, options: Options) -> Request:
        """Make a call of what the caller gives.

        Raises:
            InputError, UserError, ClosedError: see `Model.submit`.
        """
        self.check_open()
        accepted_ns = perf_counter_ns()
        lowest, highest = exit_range(options.min_exit, options.max_exit, self._exits)
        deadline_ns = deadline_after(accepted_ns, options.deadline_ms)
        if options.on_exit is not None and not callable(options.on_exit):
            problem = f"got {type(options.on_exit).__name__}, expected a function"
            raise UserError("on_exit", problem, "Give a function of one argument")
        arrays = check_views(x, self._inputs, self._executor.view)
        count = next(iter(arrays.values())).shape[0]
        request = self.queued(arrays, count, reply, (options.exits, lowest, highest), accepted_ns)
        request.deadline_ns, request.on_exit = deadline_ns, options.on_exit
        return request

    def queued(self, arrays: Arrays, count: int, reply: Reply, way_out: WayOut, accepted_ns: int) -> Request:
        """Make a call of arrays that were checked."""
        turn = self.turn(count, exits=way_out[0])
        ladder = self._ladder(way_out) if turn is None else ()
        return Request(
            inputs=arrays,
            count=count,
            terms=ladder[0] if turn is None else make_terms(turn.thresholds, *way_out),
            answers=empty_answers(count, self._executor.output_shape, turn),
            ladder=ladder,
            turn=turn,
            reply=reply,
            conclude=self._conclusion.conclude,
            observe=None if turn is None else self._conclusion.observe,
            accepted_ns=accepted_ns,
        )

    def part(
        self,
        arrays: Arrays,
        answers: Answers,
        turn: Turn | None,
        way_out: WayOut,
        observe: Callable[[Request], None] | None,
    ) -> Request:
        """Make a call of a part of another one.

        What is written to `answers` is written into the other call's; `observe` is told when watched samples of the
        part have been to the final exit.
        """
        ladder = self._ladder(way_out) if turn is None else ()
        return Request(
            inputs=arrays,
            count=len(answers.exit_index),
            terms=ladder[0] if turn is None else make_terms(turn.thresholds, *way_out),
            answers=answers,
            ladder=ladder,
            step=0 if turn is None else turn.step,
            reply=FutureReply(),
            conclude=conclude_part,
            observe=observe,
        )

    def offer(self, request: Request) -> bool:
        """Queue a call that can also run without the queue; False: there is no room for it, or the end has come."""
        try:
            self.running().submit(request, counted=False)
        except (OverloadError, InputError, ClosedError):
            return False
        return True

    def _ladder(self, way_out: WayOut) -> tuple[Terms, ...]:
        """Terms of a call at each step of thresholds; there are few, and they are made once."""
        found = self._ladders.get(way_out)
        if found is None:
            found = self._ladders[way_out] = tuple(make_terms(each, *way_out) for each in self.steps)
        return found
