"""Which limits keep a composition from being cheaper."""

from dataclasses import dataclass, replace

from eecalib.composition.first_look import FirstLook
from eecalib.composition.limits import Limits

__all__ = ["Binding", "binding_limits"]

WORTH = 0.005
"""Of the expected time: a limit that costs less is not named."""


@dataclass(frozen=True, kw_only=True)
class Binding:
    """A limit that costs time.

    Attributes:
        limit: field of `Limits`.
        share: of the expected time that would be saved without it, at the gates of the first look.
    """

    limit: str
    share: float


def binding_limits(look: FirstLook, limits: Limits, *, required: int) -> tuple[Binding, ...]:
    """Lift each limit by itself; return those that cost time, the dearest first.

    Where the estimate of what is kept is no time at all, no limit costs any.

    Args:
        look: at the heads.
        limits: those that were given; the drop is not lifted.
        required: how many answers must be right.
    """
    kept_ms = look.find(limits, required=required, most=1).best[0][0]
    if not kept_ms:
        return ()
    lifted = {
        "max_tail": replace(limits, max_tail=None),
        "max_memory_bytes": replace(limits, max_memory_bytes=None),
        "min_precision": replace(limits, min_precision=None),
        "max_exits": replace(limits, max_exits=None),
    }
    found = []
    for name, others in lifted.items():
        share = 1 - look.find(others, required=required, most=1).best[0][0] / kept_ms if others != limits else 0.0
        if share >= WORTH:
            found.append(Binding(limit=name, share=share))
    return tuple(sorted(found, key=lambda each: -each.share))
