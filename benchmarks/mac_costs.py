"""What a chain of exits costs in multiply-accumulates: a cost that does not depend on engine and machine."""

from dataclasses import dataclass

from eecompile.attach.attachment import Attachment

__all__ = ["MACS_A_MS", "MacCosts", "mac_costs"]

MACS_A_MS = 1e6
"""The search for thresholds speaks of milliseconds: here one stands for a million multiply-accumulates."""


@dataclass(frozen=True, kw_only=True)
class MacCosts:
    """Costs of segments.

    Attributes:
        macs: `[segment]`, of one sample.
        max_batch: the largest batch.
    """

    macs: tuple[int, ...]
    max_batch: int = 1

    @property
    def segments(self) -> int:
        """Number of segments."""
        return len(self.macs)

    def run_ms(self, segment: int, rows: int) -> float:
        """Millions of multiply-accumulates of some rows."""
        return rows * self.macs[segment] / MACS_A_MS

    def run_head_ms(self, exit_index: int, rows: int) -> float:  # noqa: ARG002 - heads are in their segments
        """Nothing."""
        return 0.0


def mac_costs(attachment: Attachment) -> MacCosts:
    """The costs of all heads as exits, one for each tap, and of the rest of the trunk behind the last."""
    taps = [attachment.tap(head.tap).macs for head in attachment.heads]
    assert taps == sorted(set(taps)), "two heads at one tap"
    starts, ends = [0, *taps], [*taps, attachment.macs]
    heads = [*(head.macs for head in attachment.heads), 0]
    return MacCosts(macs=tuple(end - start + head for start, end, head in zip(starts, ends, heads, strict=True)))
