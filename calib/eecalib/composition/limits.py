"""What a composition of heads must keep."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a composition.

    Attributes:
        max_drop: allowed relative drop against the final exit.
        max_tail: how much longer than the network without heads a batch may take in which nobody leaves, as a share of
            the latter; None: no limit.
        max_memory_bytes: of the weights of all heads together; None: no limit.
        min_precision: of those that leave at an exit, the least share whose answer is that of the final exit, or right;
            None: no limit.
        max_exits: early exits at most; None: one at each tap.
    """

    max_drop: float
    max_tail: float | None
    max_memory_bytes: int | None
    min_precision: float | None
    max_exits: int | None
