"""What one segment did in one batch."""

from typing import NamedTuple

__all__ = ["Step"]


class Step(NamedTuple):
    """What one segment did in one batch.

    Attributes:
        segment: its index.
        rows: rows that it ran on, with dead rows but without padding; of a folded network a row is a group.
        entered: rows that were still alive, with those that were answered and are watched.
        left: rows that left at its exit; those that are watched leave at the final one.
        run_ns: nanoseconds in the engine.
        boundary_ns: nanoseconds from there to the start of the next segment: decision, answers, compaction.
        answered_ns: nanoseconds from the start of the call until the answers of this exit were there.
        length: the length bucket that it ran at; None: the network has no sequence axis.
        tested: samples that the exit's head was run for, where heads are graphs of their own; None: the head is in the
            segment.
        answered: images of a folded network that got their answer at this exit; None: every row is one sample, and
            those that left did.
    """

    segment: int
    rows: int
    entered: int
    left: int
    run_ns: int
    boundary_ns: int
    answered_ns: int
    length: int | None = None
    tested: int | None = None
    answered: int | None = None

    @property
    def answers(self) -> int:
        """Samples, of a folded network images, that got their answer at this exit."""
        return self.left if self.answered is None else self.answered
