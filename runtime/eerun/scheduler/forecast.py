"""What is expected of rows: how long they take, and how many of them go on. Learnt while they run."""

from collections import deque
from collections.abc import Sequence
from itertools import accumulate

from eerun.costs import CostTable
from eerun.executor import Step

__all__ = ["LATELY", "Forecast"]

MEMORY = 0.95
"""Weight of what was seen before the last run."""

PACE_STEP, PACE_RANGE = 0.05, (0.1, 10.0)
"""How fast the pace follows one run, and what one run can say of it: the first one fills caches."""

LATELY = 64
"""How many runs back the least pace is looked for."""

OVERHEAD_STEP = 0.05
"""How fast the overhead follows one run."""


class Forecast:
    """Expected times and survivors of one lane.

    Times are those of the cost table, times the pace: how much slower this process is than the build measured, as a
    moving average over runs. The share of rows that go on behind a segment is a moving average, too; before anything
    ran it is one half.

    The least pace is that of the fastest of the last `LATELY` runs, 0 before anything ran: nobody is told that he takes
    longer than was possible a moment ago, and one slow run does not count.

    Args:
        costs: measured times of the chain behind the lane.
        max_rows: the most rows of a run.

    Attributes:
        last: number of the last segment.
        pace: see above.
        overhead_ms: what a run takes beside its segment and its boundary: to choose it, and to hand over its answers;
            a moving average, 0 before anything ran.
    """

    def __init__(self, costs: CostTable, *, max_rows: int) -> None:
        self.last = costs.segments - 1
        self.pace, self.overhead_ms = 1.0, 0.0
        self._paces = deque[float](maxlen=LATELY)
        self._move_ms = costs.move_ms
        self._run_ms: list[list[float]] = [
            [
                costs.run_ms(segment, rows) + (costs.run_head_ms(segment, rows) if segment < self.last else 0.0)
                for rows in range(max_rows + 1)
            ]
            for segment in range(costs.segments)
        ]
        columns = [list[float](accumulate(column)) for column in zip(*self._run_ms, strict=True)]
        self._through_ms: list[list[float]] = [list(row) for row in zip(*columns, strict=True)]
        self._reached = [2.0] * costs.segments
        self._went_on = [1.0] * costs.segments

    def run_ms(self, segment: int, rows: int) -> float:
        """Milliseconds of a segment on so many rows."""
        expected_ms = self._run_ms[segment][rows]
        return expected_ms * self.pace

    def move_ms(self, segment: int) -> float:
        """Milliseconds to put one survivor behind those that wait at a segment; segments begin at 1."""
        return self._move_ms[segment - 1] * self.pace

    def through_ms(self, exit_index: int, rows: int) -> float:
        """Milliseconds of so many rows from the start until an exit has answered them."""
        return self._through_ms[exit_index][rows] * self.pace

    def least_through_ms(self, exit_index: int, rows: int) -> float:
        """The same at the least pace."""
        return self._through_ms[exit_index][rows] * min(self._paces, default=0.0)

    def remaining_ms(self, segment: int, rows: int) -> float:
        """Milliseconds of so many rows from a segment to the end if nobody leaves."""
        before = self._through_ms[segment - 1][rows] if segment else 0.0
        return (self._through_ms[self.last][rows] - before) * self.pace

    def expected_ms(self, rows: int) -> float:
        """Milliseconds of so many rows from start to end with as many survivors as there were lately."""
        total, alive = 0.0, float(rows)
        for segment in range(self.last + 1):
            total += self.run_ms(segment, round(alive))
            alive *= self.survival(segment)
        return total

    def survival(self, segment: int) -> float:
        """Share of the rows of a segment that go on behind it."""
        return self._went_on[segment] / self._reached[segment]

    def learn(self, steps: Sequence[Step]) -> None:
        """Take note of what segments did."""
        for step in steps:
            segment = step.segment
            if segment < self.last and step.entered:
                self._reached[segment] = MEMORY * self._reached[segment] + step.entered
                self._went_on[segment] = MEMORY * self._went_on[segment] + step.entered - step.left
            expected_ns = self._run_ms[segment][min(step.rows, len(self._run_ms[segment]) - 1)] * 1e6
            if expected_ns:
                seen = (step.run_ns + step.boundary_ns) / expected_ns
                self._paces.append(seen)
                self.pace += PACE_STEP * (min(max(seen, PACE_RANGE[0]), PACE_RANGE[1]) - self.pace)

    def learn_overhead(self, overhead_ns: int) -> None:
        """Take note of what a run took beside its segment and its boundary."""
        self.overhead_ms += OVERHEAD_STEP * (overhead_ns / 1e6 - self.overhead_ms)
