"""Which of a tap's trained heads becomes its exit."""

from collections.abc import Sequence

from eecompile.attach.attachment import AttachedHead
from eecompile.heads.base import Tap

__all__ = ["choose_heads"]

ROUNDING = 1e-9
"""Shares are quotients of whole numbers; their differences are off by a few 1e-16."""


def choose_heads(
    heads: Sequence[AttachedHead], taps: Sequence[Tap], *, tolerance: float, trunk_macs: int
) -> tuple[str, ...]:
    """Return the names of the chosen heads, shallow to deep, at most one for each tap.

    At each tap that is the head with the fewest multiply-accumulates among those whose agreement is at most `tolerance`
    less than that of the best there. A head that cannot save anything is no candidate: one with which the way to the
    exit costs as much as the whole trunk.

    Args:
        heads: all candidates, trained: with an agreement.
        taps: what they read, shallow to deep.
        tolerance: an absolute difference of two shares.
        trunk_macs: of the whole trunk, a sample.
    """
    chosen = []
    for tap in taps:
        saving = [
            (head, head.agreement)
            for head in heads
            if head.tap == tap.name and head.agreement is not None and tap.macs + head.macs < trunk_macs
        ]
        best = max((agreement for _, agreement in saving), default=0.0)
        close = [head for head, agreement in saving if best - agreement <= tolerance + ROUNDING]
        if close:
            chosen.append(min(close, key=lambda head: (head.macs, head.parameters)).name)
    return tuple(chosen)
