"""Enqueued work of a CPU device: done late or soon, in the order of each stream, in a drawn order among streams."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np

from eengines.errors import EngineError

__all__ = ["Moment", "Task", "WorkQueue", "Works"]

EAGERNESS = (0.0, 0.5, 0.9)
"""How likely a piece of work is done as soon as something is enqueued. A seed draws one of these for its device."""

Task = Callable[[], None]


@dataclass(eq=False)
class Moment:
    """What an event stands for.

    Attributes:
        done_ns: when it came, of `perf_counter_ns`; None: it has not come.
        failure: why the work before it was not done.
    """

    done_ns: int | None = None
    failure: EngineError | None = None


@dataclass(eq=False, frozen=True)
class Reach:
    """A moment comes."""

    moment: Moment


@dataclass(eq=False, frozen=True)
class Wait:
    """What follows waits for a moment."""

    moment: Moment


class WorkQueue:
    """The work of one stream.

    Attributes:
        number: 1, 2, … in the order in which streams were made.
        pieces: what is not done; the first may be running.
        failure: what went wrong; later work is passed over until somebody has been told by `Works.finish`.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.pieces: deque[Task | Reach | Wait] = deque()
        self.failure: EngineError | None = None

    @property
    def can_go_on(self) -> bool:
        """Whether its first piece waits for nothing."""
        first = self.pieces[0]
        return not isinstance(first, Wait) or first.moment.done_ns is not None


class Works:
    """All queues of a device. Whoever waits does the work, of all threads' streams.

    Args:
        seed: of the order, and of how soon work is done.
    """

    def __init__(self, seed: int) -> None:
        self._lock = threading.RLock()
        self._generator = np.random.default_rng(seed)
        self._eagerness = float(self._generator.choice(EAGERNESS))
        self._made = 0
        self._busy: dict[int, WorkQueue] = {}
        self._freed: list[object] = []

    def queue(self) -> WorkQueue:
        """Make the queue of a stream."""
        with self._lock:
            self._made += 1
            return WorkQueue(self._made)

    def add(self, queue: WorkQueue, piece: Task | Reach | Wait) -> None:
        """Enqueue; some of what is enqueued may be done at once."""
        with self._lock:
            queue.pieces.append(piece)
            self._busy[queue.number] = queue
            while self._generator.random() < self._eagerness and self._work():
                pass

    def do_until(self, moment: Moment) -> None:
        """Do work until a moment has come.

        Raises:
            EngineError: it cannot come, or the work before it failed.
        """
        self._do_until(lambda: moment.done_ns is not None)
        if moment.failure is not None:
            raise moment.failure

    def finish(self, queue: WorkQueue) -> None:
        """Do work until a queue is empty.

        Raises:
            EngineError: it cannot become so, or some of its work failed since the last call.
        """
        self._do_until(lambda: not queue.pieces)
        failure, queue.failure = queue.failure, None
        if failure is not None:
            raise failure

    def do_one(self) -> None:
        """Do one piece of work, if there is any."""
        with self._lock:
            self._work()

    def keep(self, freed: object) -> None:
        """Keep what was freed until no work is left that could touch it."""
        if self._busy:
            self._freed.append(freed)

    def _do_until(self, reached: Callable[[], bool]) -> None:
        """Do work; between two pieces other threads may enqueue, or do some of it."""
        while True:
            with self._lock:
                if reached():
                    return
                if not self._work():
                    raise EngineError(
                        "streams",
                        "what is waited for never comes: all work that is left waits for an event that no stream holds",
                        "Record the event on a stream that is not being captured, before anything waits for it",
                    )

    def _work(self) -> bool:
        """Do one piece of a queue that can go on; return whether there was one."""
        ready = [queue for _, queue in sorted(self._busy.items()) if queue.can_go_on]
        if not ready:
            return False
        queue = ready[int(self._generator.integers(len(ready)))]
        try:
            _do(queue, queue.pieces[0])
        finally:
            queue.pieces.popleft()
            if not queue.pieces:
                del self._busy[queue.number]
            if not self._busy:
                self._freed.clear()
        return True


def _do(queue: WorkQueue, piece: Task | Reach | Wait) -> None:
    """Do a piece; after a failure work is passed over, and moments hand the failure on."""
    if isinstance(piece, Reach):
        piece.moment.failure = queue.failure
        piece.moment.done_ns = perf_counter_ns()
    elif isinstance(piece, Wait):
        queue.failure = queue.failure or piece.moment.failure
    elif queue.failure is None:
        try:
            piece()
        except EngineError as error:
            queue.failure = error
