"""What runs next, over all lanes; who may wait, and who is refused. No threads, no locks, and the caller's clock."""

from collections.abc import Sequence
from dataclasses import dataclass

from eengines.errors import DeadlineError, EEError, InputError, OverloadError
from eerun.scheduler.lane_turns import LaneTurns
from eerun.scheduler.lanes.lane import Chunk, Ran
from eerun.scheduler.lanes.open_lanes import Lanes
from eerun.scheduler.overload import Overload
from eerun.scheduler.queue import Waiting
from eerun.scheduler.request import Request
from eerun.scheduler.settings import SchedulerSettings

__all__ = ["Dispatcher", "Turn"]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Turn:
    """One run.

    Attributes:
        turns: the lane.
        segment: what runs.
        chunks: what enters, where the segment is the first.
        behind: rows that wait at the next segment.
    """

    turns: LaneTurns
    segment: int
    chunks: Sequence[Chunk]
    behind: int

    def run(self) -> Ran:
        """Run it."""
        return self.turns.lane.run(self.segment) if self.segment else self.turns.lane.start(self.chunks)

    def requests(self) -> tuple[Request, ...]:
        """The calls that have samples in it; asked before it runs."""
        if self.segment:
            return self.turns.lane.requests_at(self.segment)
        return tuple(chunk.request for chunk in self.chunks)


class Dispatcher:
    """See the module. The caller sees to it that one thread at a time is in here.

    Args:
        lanes: what runs samples.
        settings: limits and delays.
        where: the bundle, for messages.

    Attributes:
        refused: calls that are to be told that they are refused, and why.
        overload: which certified thresholds are used.
        all_turns: one for each lane.
    """

    def __init__(self, lanes: Lanes, settings: SchedulerSettings, *, where: str) -> None:
        self._lanes, self._settings, self._where = lanes, settings, where
        self.all_turns = [
            LaneTurns(lane, max_hold_us=settings.max_hold_us, max_queue_delay_us=settings.max_queue_delay_us)
            for lane in lanes.lanes
        ]
        dwell_ns = max(int(lane.costs.chain_ms(lane.max_rows) * 1e6) for lane in lanes.lanes)
        self.overload = Overload(calm_step=settings.calm_step, max_queue=settings.max_queue, dwell_ns=dwell_ns)
        self.refused = list[tuple[Request, EEError]]()
        self._patience_ns = max(turns.patience_ns for turns in self.all_turns)
        self._deadlines = 0
        self._now_ns = 0
        self._running = set[Turn]()

    @property
    def queued(self) -> int:
        """Samples that wait at the doors."""
        return sum([turns.door.samples for turns in self.all_turns])

    @property
    def inside(self) -> int:
        """Rows that wait between segments."""
        return sum(turns.inside for turns in self.all_turns)

    @property
    def idle(self) -> bool:
        """Whether nobody waits anywhere."""
        return not self.queued and not self.inside

    def place(self, request: Request) -> None:
        """Say where the samples of a call will wait. Of all here only this may be called by any thread at any time.

        Raises:
            InputError: it could never fit into the queue.
        """
        most = self._settings.max_queue
        if request.count > most:
            problem = f"got {request.count} samples, at most {most} may wait"
            raise InputError("input", problem, "Send it in parts, or give a larger max_queue")
        patience_ns = self._patience_ns
        if not self._lanes.lengths:
            request.places = (Waiting(request, None, patience_ns=patience_ns),)
            return
        shares = self._lanes.share(request.inputs, request.count)
        request.places = tuple(Waiting(request, share, patience_ns=patience_ns) for share in shares)

    def admit(self, request: Request, now_ns: int) -> None:
        """Let a call wait that was placed; one that cannot be answered in time is put among those that are refused.

        Raises:
            OverloadError: it does not fit now.
        """
        queued = self.queued
        if queued + request.count > self._settings.max_queue:
            raise self._overload_error(request, queued)
        if request.deadline_ns is not None:
            self._deadlines += 1
            if self._refuse_late(request, now_ns, others=queued):
                return
        for place in request.places:
            self.all_turns[place.lane].door.push(place)
        self.overload.update(queued + request.count, now_ns)

    def withdraw(self, request: Request) -> bool:
        """Forget a call that has not begun; return whether there was something to forget."""
        if request.begun or not request.claim():
            return False
        self.forget(request)
        self.over(request)
        return True

    def forget(self, request: Request) -> None:
        """Take a call's samples from the doors; those that are inside go on."""
        for place in request.places:
            self.all_turns[place.lane].door.drop(place)

    def over(self, request: Request) -> None:
        """Take note that a call has its reply."""
        if request.deadline_ns is not None:
            self._deadlines -= 1

    def unbegun(self) -> list[Request]:
        """The calls none of whose samples has entered."""
        found = {id(each): each for turns in self.all_turns for each in turns.door.requests() if not each.begun}
        return list(found.values())

    def everybody(self) -> list[Request]:
        """The calls that have samples at a door or between segments."""
        found = {id(each): each for turns in self.all_turns for each in turns.requests()}
        return list(found.values())

    def step(self, now_ns: int) -> int:
        """The step of certified thresholds now."""
        self.overload.update(self.queued, now_ns)
        return self.overload.step

    def next(self, now_ns: int, *, draining: bool) -> Turn | int | None:
        """Return what runs next, or when to ask again, or None: when somebody comes.

        Rows that are inside a lane go before those at the doors; of the doors the most urgent call decides.
        """
        self._now_ns = now_ns
        self.overload.update(self.queued, now_ns)
        opens = {turns: turns.opens_ns(now_ns, draining=draining) for turns in self.all_turns}
        ready = [turns for turns, at in opens.items() if at is not None and at <= now_ns]
        first = min(ready, key=_urgency) if ready else None
        for turns in self.all_turns:
            if turns.inside or turns is first:
                segment = turns.next_segment(now_ns, door_open=turns is first, deadlines=self._deadlines > 0)
                if segment:
                    return self._turn(turns, segment, (), now_ns)
        if first is not None:
            chunks = first.take(now_ns, self._may_enter)
            if chunks:
                return self._turn(first, 0, chunks, now_ns)
            return now_ns
        return min((at for at in opens.values() if at is not None), default=None)

    def ran(self, turn: Turn, ran: Ran, now_ns: int) -> None:
        """Take note of a run that ended."""
        self._running.discard(turn)
        turn.turns.ran(turn.segment, turn.behind, ran, now_ns)

    def failed(self, turn: Turn) -> None:
        """Take note of a run that failed."""
        self._running.discard(turn)

    def _turn(self, turns: LaneTurns, segment: int, chunks: Sequence[Chunk], now_ns: int) -> Turn:
        turns.starts(now_ns)
        after = segment + 1
        behind = turns.lane.waiting[after] if after < turns.lane.segments else 0
        turn = Turn(turns=turns, segment=segment, chunks=chunks, behind=behind)
        self._running.add(turn)
        return turn

    def _may_enter(self, request: Request) -> bool:
        """Fix the terms of a call that is about to begin; whether it can still be answered in time."""
        if request.ladder:
            request.step = min(self.overload.step, len(request.ladder) - 1)
            request.terms = request.ladder[request.step]
        if request.deadline_ns is None:
            return True
        if not self._refuse_late(request, self._now_ns, others=self.queued - request.count):
            return True
        self.forget(request)
        return False

    def _refuse_late(self, request: Request, now_ns: int, *, others: int) -> bool:
        """Refuse a call that has not begun and cannot be answered in time, even alone; whether that is so.

        Who has time left and is alone runs whatever was seen before: it costs nobody anything, and times are learnt.

        Args:
            request: the call.
            now_ns: now.
            others: samples of other calls at the doors.
        """
        assert request.deadline_ns is not None  # noqa: S101 - the caller looked
        left_ms = (request.deadline_ns - now_ns) / 1e6
        if left_ms <= 0:
            problem = "its deadline passed before it could run"
        else:
            if not others and not self.inside and not self._running:
                return False
            least_ms = sum(self.all_turns[place.lane].least_ms(place) for place in request.places)
            if least_ms <= left_ms:
                return False
            problem = f"it has {left_ms:.3g} ms left and takes at least {least_ms:.3g} ms by itself"
        self.refused.append((request, DeadlineError(self._where, problem, "Give it more time, or send fewer samples")))
        return True

    def _overload_error(self, request: Request, queued: int) -> OverloadError:
        turns = self.all_turns[-1]
        full = turns.lane.max_rows * turns.lane.fold
        waiting_ms = turns.forecast.expected_ms(turns.lane.max_rows) * queued / full
        problem = f"{queued} samples wait already, {request.count} more make over {self._settings.max_queue}"
        remedy = "Try again later, or send fewer samples"
        return OverloadError(self._where, problem, remedy, retry_after_s=waiting_ms / 1000)


def _urgency(turns: LaneTurns) -> int:
    """Key of the most urgent call at a door where somebody waits."""
    head = turns.door.head()
    assert head is not None  # noqa: S101 - the caller looked
    return head.key_ns
