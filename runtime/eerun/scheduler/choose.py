"""Which segment of a lane runs next."""

from typing import NamedTuple

from eerun.scheduler.forecast import Forecast
from eerun.scheduler.hold import Inside, pays_to_hold, urgent_upstream

__all__ = ["Choice", "choose"]


class Choice(NamedTuple):
    """What runs next.

    Attributes:
        segment: its number, 0 to let rows start.
        held: whether rows of a deeper one wait because it pays.
    """

    segment: int
    held: bool


def choose(inside: Inside, forecast: Forecast, now_ns: int, *, deadlines: bool) -> Choice | None:
    """Return what runs next; None: there is nothing to run.

    The deepest segment with rows runs first, unless it pays to hold it for those upstream, or somebody upstream would
    miss a deadline. Rows are held only while there is something upstream that runs instead, so that the engine never
    idles while rows wait. A run needs room for all its survivors at the next segment: where there is not enough, the
    next one runs instead, whatever it was held for.

    Args:
        inside: who waits where.
        forecast: times and survivors.
        now_ns: now.
        deadlines: whether anybody has one.
    """
    held = 0
    for segment in range(len(inside.waiting) - 1, 0, -1):
        if not inside.waiting[segment]:
            continue
        if pays_to_hold(inside, forecast, segment, now_ns):
            held = held or segment
            continue
        if deadlines and urgent_upstream(inside, forecast, segment, now_ns):
            continue
        runs = _with_room(inside, segment)
        return Choice(runs, held > runs)
    return Choice(0, held > 0) if inside.room else None


def _with_room(inside: Inside, segment: int) -> int:
    """The segment, or the first one behind it whose survivors have room; the last has none, so that there is one."""
    last = len(inside.waiting) - 1
    while segment < last and inside.waiting[segment] + inside.waiting[segment + 1] > inside.max_rows:
        segment += 1
    return segment
