"""Whether rows that wait between segments gain by waiting a little longer, for others to share their run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eerun.scheduler.forecast import Forecast

__all__ = ["CLEAR_GAIN", "Inside", "affordable", "pays_to_hold", "urgent_upstream"]

CLEAR_GAIN = 0.05
"""Share of the time of the runs that holding changes which it must save: cost tables are not exacter. See ADR 25."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inside:
    """A lane at one moment. Segment 0 is the door.

    Attributes:
        waiting: `[segments]` rows that wait; at the door those that may start now.
        max_rows: the most rows that run together, and that wait at one segment.
        since_ns: `[segments]` now minus what the oldest row there has waited between segments, over all segments.
        deadline_ns: earliest deadline of whoever waits at a segment; None: nobody has one.
        max_hold_ns: how long a row may wait between segments.
    """

    waiting: Sequence[int]
    max_rows: int
    since_ns: Sequence[int]
    deadline_ns: Callable[[int], int | None]
    max_hold_ns: int

    @property
    def room(self) -> int:
        """Rows of the door that can start: all of them may survive, and then wait at segment 1."""
        inside = self.waiting[1] if len(self.waiting) > 1 else 0
        return min(self.waiting[0], self.max_rows - inside)

    def rows(self, segment: int) -> int:
        """Rows of a segment that can run next."""
        return self.waiting[segment] if segment else self.room


def affordable(inside: Inside, forecast: Forecast, segment: int, *, wait_ms: float, rows: int, now_ns: int) -> bool:
    """Whether the oldest of a segment can wait, and still be answered in time among so many rows if nobody leaves."""
    if now_ns - inside.since_ns[segment] + wait_ms * 1e6 > inside.max_hold_ns:
        return False
    deadline_ns = inside.deadline_ns(segment)
    return deadline_ns is None or now_ns + (wait_ms + forecast.remaining_ms(segment, rows)) * 1e6 <= deadline_ns


def pays_to_hold(inside: Inside, forecast: Forecast, segment: int, now_ns: int) -> bool:
    """Whether the rows of a segment should wait for what comes from upstream.

    With `n` rows that wait, and `m` that are expected of those upstream, it saves `T(n) + T(m) - T(n + m)` to run them
    together, less one move for each of the `m`. `T` is the time of a run with its overhead. Where the others are at the
    door, and only some of them can start because of the room that is taken, a smaller first batch costs more a row; and
    its survivors would have shared a larger run, too, so that they count with their part of that one instead of `T(m)`.
    What is left must be `CLEAR_GAIN` of the runs that change. Upstream segments are added one by one, the nearest
    first, until it pays or there are no more.
    """
    waiting, coming, wait_ms = inside.waiting[segment], 0.0, 0.0
    for source in range(segment - 1, -1, -1):
        rows = inside.rows(source)
        if not rows:
            continue
        alive = float(rows)
        for passed in range(source, segment):
            wait_ms += forecast.run_ms(passed, max(round(alive), 1))
            alive *= forecast.survival(passed)
        coming += alive
        joined = min(int(coming), inside.max_rows - waiting)
        if joined < 1:
            continue
        if _clear_gain(inside, forecast, segment, joined, of_door=source == 0) and affordable(
            inside, forecast, segment, wait_ms=wait_ms, rows=waiting + joined, now_ns=now_ns
        ):
            return True
    return False


def _clear_gain(inside: Inside, forecast: Forecast, segment: int, joined: int, *, of_door: bool) -> bool:
    """Whether it saves enough that so many rows join those that wait at a segment."""
    room, full = inside.room, min(inside.waiting[0], inside.max_rows)
    smaller_start = of_door and room < full
    waiting, larger = inside.waiting[segment], joined
    if smaller_start:
        larger = min(round(joined * full / room), inside.max_rows)
    apart_ms = _whole_run_ms(forecast, segment, waiting) + _whole_run_ms(forecast, segment, larger) * joined / larger
    saved_ms = apart_ms - _whole_run_ms(forecast, segment, waiting + joined) - joined * forecast.move_ms(segment)
    changed_ms = apart_ms
    if smaller_start:
        start_ms = _whole_run_ms(forecast, 0, full) * room / full
        saved_ms -= _whole_run_ms(forecast, 0, room) - start_ms
        changed_ms += start_ms
    return saved_ms > CLEAR_GAIN * changed_ms


def _whole_run_ms(forecast: Forecast, segment: int, rows: int) -> float:
    """Milliseconds of a run with its overhead."""
    return forecast.run_ms(segment, rows) + forecast.overhead_ms


def urgent_upstream(inside: Inside, forecast: Forecast, segment: int, now_ns: int) -> bool:
    """Whether somebody upstream would miss a deadline if this segment ran first, and its own rows can wait for him."""
    first_ms = forecast.run_ms(segment, inside.waiting[segment])
    for source in range(segment):
        rows = inside.rows(source)
        deadline_ns = inside.deadline_ns(source) if rows else None
        if deadline_ns is None:
            continue
        needed_ms = forecast.remaining_ms(source, rows)
        if now_ns + (first_ms + needed_ms) * 1e6 > deadline_ns:
            wait_ms, here = needed_ms - forecast.remaining_ms(segment, rows), inside.waiting[segment]
            total = min(here + rows, inside.max_rows)
            if affordable(inside, forecast, segment, wait_ms=wait_ms, rows=total, now_ns=now_ns):
                return True
    return False
