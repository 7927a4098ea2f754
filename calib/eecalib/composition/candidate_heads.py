"""The heads to choose from: what they answer, what they take, and what the trunk between them takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eecalib.composition.limits import Limits
from eecalib.exit_choice.merged_costs import merged_costs
from eecalib.trace import ExitTrace
from eecalib.tuning.data import TuningData
from eengines.errors import UserError
from eerun.costs import CostTable

__all__ = ["CandidateHeads"]


@dataclass(frozen=True, kw_only=True, eq=False)
class CandidateHeads:
    """All heads of a network, one or more at each tap.

    A composition is a tuple of the indices of its heads, ascending, at most one for each tap.

    Attributes:
        taps: for each head the number of its tap; taps count from 0, and heads are listed tap by tap.
        trace: what every head says, and the final exit last; its labels are the right answers.
        reference_right: `[samples] int64`, whether the final exit in float32 is right.
        trunk: measured times of the network without heads, cut behind each tap: one segment more than taps.
        head_ms: `[head][bucket]` milliseconds that a head adds to its segment.
        head_bytes: of the weights of each head.
        batch: samples in one batch at run time.
        seed: of everything that is drawn.
    """

    taps: tuple[int, ...]
    trace: ExitTrace
    reference_right: NDArray[np.int64]
    trunk: CostTable
    head_ms: tuple[tuple[float, ...], ...]
    head_bytes: tuple[int, ...]
    batch: int
    seed: int

    def __post_init__(self) -> None:
        count = len(self.taps)
        found = {
            "taps in ascending order from 0": sorted(set(self.taps)) == list(range(self.trunk.segments - 1))
            and list(self.taps) == sorted(self.taps),
            "exits of the trace": self.trace.exits == count + 1,
            "times": len(self.head_ms) == count and all(len(row) == len(self.trunk.buckets) for row in self.head_ms),
            "sizes": len(self.head_bytes) == count,
        }
        wrong = [what for what, fits in found.items() if not fits]
        if wrong:
            problem = f"got {count} heads at {self.trunk.segments - 1} taps, which do not fit their {', '.join(wrong)}"
            raise UserError("candidate heads", problem, "Give one entry a head, tap by tap")

    @property
    def samples(self) -> int:
        """How many samples were recorded."""
        return self.trace.samples

    def of_tap(self, tap: int) -> tuple[int, ...]:
        """The heads at a tap."""
        return tuple(head for head, at in enumerate(self.taps) if at == tap)

    def costs(self, kept: Sequence[int]) -> CostTable:
        """The estimated costs of a chain with these heads, each in its segment; see `merged_costs`."""
        table = merged_costs(self.trunk, [self.taps[head] for head in kept])
        rows = [
            tuple(map(sum, zip(row, self.head_ms[head], strict=True)))
            for row, head in zip(table.segment_ms, kept, strict=False)
        ]
        return replace(table, segment_ms=(*rows, table.segment_ms[-1]))

    def data(self, kept: Sequence[int]) -> TuningData:
        """The recording and the costs of a network with these heads."""
        return TuningData(
            trace=self.trace.of_exits(tuple(kept)),
            reference_right=self.reference_right,
            costs=self.costs(kept),
            batch=self.batch,
            seed=self.seed,
        )

    def full_ms(self, kept: Sequence[int]) -> float:
        """Milliseconds of a batch in which nobody leaves."""
        costs = self.costs(kept)
        return sum(costs.run_ms(segment, self.batch) for segment in range(costs.segments))

    @property
    def whole_ms(self) -> float:
        """Milliseconds of a batch in the network without heads."""
        return self.trunk.of_whole().run_ms(0, self.batch)

    def memory_bytes(self, kept: Sequence[int]) -> int:
        """Of the weights of these heads."""
        return sum(self.head_bytes[head] for head in kept)

    def keeps(self, limits: Limits, kept: Sequence[int]) -> bool:
        """Whether these heads keep the limits that do not depend on thresholds."""
        return (
            (limits.max_exits is None or len(kept) <= limits.max_exits)
            and (limits.max_memory_bytes is None or self.memory_bytes(kept) <= limits.max_memory_bytes)
            and (limits.max_tail is None or self.full_ms(kept) <= (1 + limits.max_tail) * self.whole_ms)
        )
