"""What versions of a model had counted when others took their place: counters that were exported must not fall."""

from dataclasses import dataclass, replace

from eerun.scheduler import Snapshot
from eerun.serve.sum_snapshots import sum_snapshots
from eerun.shadow import Metrics

__all__ = ["MOST_ENDED", "OLDER", "Ended", "with_ended"]

MOST_ENDED = 8
"""So many versions of a model are remembered one by one."""
OLDER = "older"
"""The version under which those before them are, in one sum."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A version that serves no more.

    Attributes:
        version: its version; `OLDER`: the sum of several.
        seen: what its scheduler has done.
        watched: what its shadow has seen; None: it was not watched.
    """

    version: str
    seen: Snapshot
    watched: Metrics | None


def with_ended(ended: tuple[Ended, ...], new: Ended) -> tuple[Ended, ...]:
    """Return what is known with another version: the last `MOST_ENDED`, behind the sum of all before them."""
    older = next((each for each in ended if each.version == OLDER), None)
    versions = [*(each for each in ended if each.version != OLDER), new]
    for each in versions[:-MOST_ENDED]:
        older = replace(each, version=OLDER) if older is None else _sum(older, each)
    last = tuple(versions[-MOST_ENDED:])
    return last if older is None else (older, *last)


def _sum(older: Ended, each: Ended) -> Ended:
    seen = sum_snapshots(older.seen, each.seen)
    return Ended(version=OLDER, seen=seen, watched=_sum_watched(older.watched, each.watched))


def _sum_watched(older: Metrics | None, each: Metrics | None) -> Metrics | None:
    """Watched samples, disagreements and alarms of both; what else there is belongs to one version only."""
    if older is None or each is None:
        return older or each
    return replace(
        each,
        shadowed=older.shadowed + each.shadowed,
        disagreements=older.disagreements + each.disagreements,
        alarms=older.alarms + each.alarms,
    )
