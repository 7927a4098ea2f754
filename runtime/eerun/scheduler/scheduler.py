"""One thread that owns the engine: calls queue, their samples share batches, answers go back as futures."""

import logging
import threading
from collections.abc import Callable, Sequence
from time import perf_counter_ns

from eengines.errors import ClosedError, EEError, OverloadError
from eerun.scheduler.alive import close_at_exit, on_fork
from eerun.scheduler.defect import defect
from eerun.scheduler.delivery import Delivery
from eerun.scheduler.dispatcher import Dispatcher, Turn
from eerun.scheduler.health import Health
from eerun.scheduler.lanes.open_lanes import Lanes
from eerun.scheduler.request import Request
from eerun.scheduler.settings import SchedulerSettings
from eerun.scheduler.statistics import Snapshot, Statistics
from eerun.scheduler.worker import Worker

__all__ = ["Scheduler"]

_log = logging.getLogger("eerun")


class Scheduler:
    """Runs calls through lanes. Safe to use from any thread.

    One thread runs everything, but where a lane takes several batches at once (a device): then as many threads as it
    takes. They are daemons; the end of the interpreter stops them. See docs/adr/0025-continuous-batching.md.

    Args:
        lanes: run the samples.
        statistics: counts what is done.
        settings: limits and delays.
        where: the bundle, for messages.
        clock: nanoseconds, as `time.perf_counter_ns`.
    """

    def __init__(
        self,
        lanes: Lanes,
        statistics: Statistics,
        *,
        settings: SchedulerSettings,
        where: str,
        clock: Callable[[], int] = perf_counter_ns,
    ) -> None:
        self._where, self._clock, self._statistics = where, clock, statistics
        self._dispatcher = Dispatcher(lanes, settings, where=where)
        self._delivery = Delivery(statistics)
        self._condition = threading.Condition()
        self._health, self._active = Health(), 0
        self._closed = self._forked = False
        names = [f"eerun-scheduler-{number}" for number in range(max(lane.in_flight for lane in lanes.lanes))]
        self._threads = [Worker(target=self._work, name=name, daemon=True) for name in names]
        close_at_exit(self)
        on_fork(self)
        for thread in self._threads:
            thread.start()

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nobody waits."""
        return not self._active and self._dispatcher.idle

    @property
    def step(self) -> int:
        """The step of certified thresholds in use."""
        with self._condition:
            return self._dispatcher.step(self._clock())

    @property
    def healthy(self) -> bool:
        """See `Health`."""
        return self._health.healthy

    def submit(self, request: Request, *, counted: bool = True) -> None:
        """Queue a call; its reply comes when every sample is answered.

        Args:
            request: the call.
            counted: whether one that does not fit is counted among the failures.

        Raises:
            InputError: it could never fit into the queue.
            OverloadError: it does not fit now.
            ClosedError: the scheduler is closed.
        """
        self._dispatcher.place(request)
        with self._condition:
            if self._closed or self._forked:
                raise ClosedError(self._where, "the model is closed", "Load it again")
            try:
                self._dispatcher.admit(request, self._clock())
            except OverloadError:
                if counted:
                    self._statistics.failed(OverloadError.__name__)
                raise
            refused = self._take_refused()
            self._condition.notify()
        self._refuse(refused)

    def withdraw(self, request: Request) -> None:
        """Forget a call that the caller gave up, if it has not begun."""
        with self._condition:
            if self._dispatcher.withdraw(request):
                self._statistics.failed("CancelledError")

    def snapshot(self) -> Snapshot:
        """Return what was done so far."""
        with self._condition:
            dispatcher = self._dispatcher
            return self._statistics.snapshot(
                queued_requests=len(dispatcher.unbegun()),
                queued_samples=dispatcher.queued,
                inside=dispatcher.inside,
                held=sum(turns.held for turns in dispatcher.all_turns),
                step=dispatcher.step(self._clock()),
                step_changes=dispatcher.overload.changes,
            )

    def close(self, *, drain: bool, timeout_s: float | None = None) -> bool:
        """Take no more calls; answer those that wait, or with `drain=False` refuse those that have not begun.

        Args:
            drain: answer all that were accepted.
            timeout_s: how long to wait for the answers; then whoever has not begun is refused, too. None: until all
                are answered.

        Returns:
            Whether everything is done; False: the last runs still go on.
        """
        self.begin_to_close(drain=drain)
        if threading.current_thread() in self._threads:
            return False
        ended = self._wait(timeout_s)
        self.begin_to_close(drain=False)  # who still waits has no time left, or nobody who would answer him
        return ended or not any(thread.is_alive() for thread in self._threads)

    def begin_to_close(self, *, drain: bool) -> None:
        """The same without waiting; what the parent of this process answers is left alone."""
        if self._forked:
            return
        with self._condition:
            self._closed = True
            unbegun = [] if drain else self._dispatcher.unbegun()
            for request in unbegun:
                self._dispatcher.forget(request)
            self._condition.notify_all()
        error = ClosedError(self._where, "the model was closed before it ran", "Load it again")
        self._refuse([(request, error) for request in unbegun])

    def forked(self) -> None:
        """See `Alive.forked`: the parent answers the calls that wait; here every call is refused."""
        self._condition, self._threads, self._forked = threading.Condition(), [], True

    def _wait(self, timeout_s: float | None) -> bool:
        """Wait for the threads; whether all have ended."""
        ends_ns = None if timeout_s is None else perf_counter_ns() + int(timeout_s * 1e9)
        for thread in self._threads:
            thread.join(None if ends_ns is None else max(ends_ns - perf_counter_ns(), 0) / 1e9)
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        """A thread. Whatever ends it before its time: nobody waits for it in vain."""
        try:
            while (turn := self._next()) is not None:
                if isinstance(turn, Turn):
                    self._run(turn)
                self._refuse(self._take_refused())
        except BaseException as error:  # noqa: BLE001 - nobody is there to whom it could be raised
            _log.critical("%s: the scheduler stopped", self._where, exc_info=True)
            self._stop(error)

    def _stop(self, cause: BaseException) -> None:
        """Refuse everybody, now and later."""
        with self._condition:
            self._closed = True
            self._health.stop()
            requests = self._dispatcher.everybody()
            for request in requests:
                self._dispatcher.forget(request)
            self._condition.notify_all()
        error = defect(self._where, "the scheduler", cause)
        self._refuse([*self._take_refused(), *((request, error) for request in requests)])

    def _next(self) -> Turn | bool | None:
        """Wait for a turn; True: calls are to be told that they are refused, None: it is over."""
        with self._condition:
            while True:
                now_ns = self._clock()
                turn = self._dispatcher.next(now_ns, draining=self._closed)
                if isinstance(turn, Turn):
                    self._active += 1
                    return turn
                if self._dispatcher.refused:
                    return True
                if turn is None and self._closed:
                    self._condition.notify_all()
                    return None
                self._condition.wait(None if turn is None else max(turn - now_ns, 0) / 1e9)

    def _run(self, turn: Turn) -> None:
        """Run something, and hand over what came of it."""
        requests = turn.requests()
        try:
            ran = turn.run()
            now_ns = self._clock()
            with self._condition:
                self._dispatcher.ran(turn, ran, now_ns)
                self._health.succeeded((turn.turns, turn.segment))
            self._over(self._delivery.deliver(ran, now_ns))
        except EEError as error:
            self._failed(turn, requests, error)
        except BaseException as error:  # a defect fails one run, not everybody who waits
            _log.exception("%s: a run failed", self._where)
            self._failed(turn, requests, defect(self._where, "the run", error))
            if not isinstance(error, Exception):
                raise
        finally:
            with self._condition:
                self._active -= 1

    def _failed(self, turn: Turn, requests: Sequence[Request], error: EEError) -> None:
        """Tell the calls of a run that failed."""
        with self._condition:
            self._health.failed((turn.turns, turn.segment))
            self._dispatcher.failed(turn)
            for request in requests:
                self._dispatcher.forget(request)
        self._refuse([(request, error) for request in requests])

    def _refuse(self, refused: Sequence[tuple[Request, EEError]]) -> None:
        """Tell calls why they are not answered; without the lock, because that may run code of the caller."""
        if refused:
            self._over(self._delivery.refuse(refused))

    def _over(self, requests: Sequence[Request]) -> None:
        """Take note of calls that have their reply."""
        with self._condition:
            for request in requests:
                self._dispatcher.over(request)

    def _take_refused(self) -> list[tuple[Request, EEError]]:
        with self._condition:
            refused = self._dispatcher.refused
            if refused:
                self._dispatcher.refused = []
            return refused
