"""One lane, the calls at its door, and what runs in it next."""

from collections.abc import Callable, Sequence

from eerun.folding import rows_of
from eerun.scheduler.choose import choose
from eerun.scheduler.forecast import Forecast
from eerun.scheduler.hold import Inside
from eerun.scheduler.lanes.lane import Chunk, Lane, Ran
from eerun.scheduler.queue import DoorQueue, Waiting
from eerun.scheduler.request import Request

__all__ = ["PATIENCE_BATCHES", "LaneTurns"]

PATIENCE_BATCHES = 8
"""After as many full batches of the whole chain a call goes before everybody who comes later."""


class LaneTurns:
    """See the module. Times are nanoseconds of one clock.

    Args:
        lane: the lane.
        max_hold_us: see `SchedulerSettings`.
        max_queue_delay_us: see `SchedulerSettings`.

    Attributes:
        lane: the lane.
        door: the calls that wait for it.
        forecast: times and survivors.
        patience_ns: how long a call waits at most until it goes before all who come later.
        held: how often rows waited at a segment, to be merged with others, while another one ran upstream.
    """

    def __init__(self, lane: Lane, *, max_hold_us: int | None, max_queue_delay_us: int) -> None:
        self.lane, self.door = lane, DoorQueue()
        self.forecast = Forecast(lane.costs, max_rows=lane.max_rows)
        full_ns = int(lane.costs.chain_ms(lane.max_rows) * 1e6)
        self.patience_ns = PATIENCE_BATCHES * full_ns
        self._max_hold_ns = full_ns if max_hold_us is None else max_hold_us * 1000
        self._delay_ns = max_queue_delay_us * 1000
        self._since_ns = [0] * lane.segments
        self._started_ns = 0
        self._ended_ns: int | None = None
        self.held = 0

    @property
    def inside(self) -> int:
        """Rows that wait between segments."""
        return sum(self.lane.waiting[1:])

    def requests(self) -> list[Request]:
        """The calls that have samples at the door or between segments."""
        inside = range(1, self.lane.segments)
        return self.door.requests() + [each for segment in inside for each in self.lane.requests_at(segment)]

    def opens_ns(self, now_ns: int, *, draining: bool) -> int | None:
        """When the calls at the door may start: now or earlier, later, or None: nobody waits.

        They wait for others to fill the batch as long as the settings say, but not longer than the most urgent can.
        """
        oldest_ns = self.door.oldest_ns
        if oldest_ns is None:
            return None
        full = self.door.samples >= self.lane.max_rows * self.lane.fold
        if draining or full or not self._delay_ns:
            return now_ns
        rows = min(rows_of(self.door.samples, self.lane.fold), self.lane.max_rows)
        latest_ns = self.door.latest_start_ns(int(self.forecast.remaining_ms(0, rows) * 1e6))
        opens_ns = oldest_ns + self._delay_ns
        return opens_ns if latest_ns is None else min(opens_ns, latest_ns)

    def next_segment(self, now_ns: int, *, door_open: bool, deadlines: bool) -> int | None:
        """The segment that runs next, 0: rows of the door; None: nothing can run."""
        inside = self.look(door_open=door_open, deadlines=deadlines)
        chosen = choose(inside, self.forecast, now_ns, deadlines=deadlines)
        if chosen is None:
            return None
        self.held += chosen.held
        return chosen.segment

    def look(self, *, door_open: bool, deadlines: bool) -> Inside:
        """Who waits where now; `deadlines`: whether anybody has one."""
        lane = self.lane
        at_door = min(rows_of(self.door.samples, lane.fold), lane.max_rows) if door_open else 0
        return Inside(
            waiting=(at_door, *lane.waiting[1:]),
            max_rows=lane.max_rows,
            since_ns=self._since_ns,
            deadline_ns=self._deadline_ns if deadlines else _no_deadline_ns,
            max_hold_ns=self._max_hold_ns,
        )

    def take(self, now_ns: int, may_enter: Callable[[Request], bool]) -> list[Chunk]:
        """Let as many samples enter as there is room for; see `DoorQueue.take`."""
        rows = self.look(door_open=True, deadlines=False).room
        chunks = self.door.take(rows * self.lane.fold, mixes=self.lane.mixes, may_enter=may_enter)
        for chunk in chunks:
            chunk.request.started_ns = chunk.request.started_ns or now_ns
        return chunks

    def starts(self, now_ns: int) -> None:
        """Take note that a run begins."""
        if self._ended_ns is not None:
            self.forecast.learn_overhead(now_ns - self._ended_ns)
            self._ended_ns = None
        self._started_ns = now_ns

    def ran(self, segment: int, survivors_before: int, ran: Ran, now_ns: int) -> None:
        """Take note of a run that ended.

        Args:
            segment: which one ran.
            survivors_before: rows that waited at the next one when it began.
            ran: what it did.
            now_ns: now.
        """
        self.forecast.learn(ran.steps)
        if self.inside:
            self._ended_ns = now_ns
        after = segment + 1
        if after >= self.lane.segments:
            return
        waited_ns = self._started_ns - self._since_ns[segment] if segment else 0
        since_ns = now_ns - waited_ns
        self._since_ns[after] = min(self._since_ns[after], since_ns) if survivors_before else since_ns

    def least_ms(self, place: Waiting) -> float:
        """Milliseconds until samples at the door could be answered: alone, everybody at the first exit that may be.

        At the least pace; see `Forecast`.
        """
        full, rest = divmod(rows_of(place.left, self.lane.fold), self.lane.max_rows)
        exit_index = min(place.request.terms.first_exit, self.forecast.last)
        parts_ms = full * self.forecast.least_through_ms(exit_index, self.lane.max_rows)
        return parts_ms + self.forecast.least_through_ms(exit_index, rest)

    def _deadline_ns(self, segment: int) -> int | None:
        """Earliest deadline at a segment; at the door that of the most urgent call."""
        if segment == 0:
            head = self.door.head()
            return None if head is None else head.request.deadline_ns
        return earliest(self.lane.requests_at(segment))


def _no_deadline_ns(_: int) -> None:
    """Nobody has one."""


def earliest(requests: Sequence[Request]) -> int | None:
    """Return the earliest deadline of calls that have no reply yet; None: none of them has one."""
    deadlines = [each.deadline_ns for each in requests if each.deadline_ns is not None and not each.over]
    return min(deadlines, default=None)
