"""Measure `T_k(b)` again, between the batches of a bench run, so that it can be compared with them."""

import random
from dataclasses import replace
from statistics import median
from time import perf_counter_ns
from typing import Protocol

from eerun.costs import CostTable
from eerun.executor import Cell, Executor, Run

__all__ = ["CostMeter"]

ORDER_SEED = 0

NS_PER_MS = 1e6


class HasRun(Protocol):
    """A whole network, with or without the bench around it."""

    def run(self, bucket: int) -> Run:
        """One bucket by itself, on whatever its buffers hold."""


class CostMeter:
    """Runs every (segment, bucket), (head, bucket) and (whole network, bucket), one after the other, round after round.

    Heads are among them where they are graphs of their own.

    It uses the sessions and buffers of the contestants themselves, and runs on what their last batch left there.

    Attributes:
        spent_ns: nanoseconds in runs so far.
    """

    def __init__(self, chain: Executor, whole: HasRun, costs: CostTable, *, batch: int) -> None:
        """Prepare the buckets that a batch of `batch` rows can need: all up to the first that holds it."""
        fitting = [index for index, bucket in enumerate(costs.buckets) if bucket >= min(batch, costs.max_batch)]
        self._costs, self._used = costs, fitting[0] + 1
        self._segments, buckets = chain.segments, costs.buckets[: self._used]
        pairs: list[tuple[Cell, Run]] = [*chain.runs(buckets).items()]
        pairs += [((self._segments, bucket), whole.run(bucket)) for bucket in buckets]
        random.Random(ORDER_SEED).shuffle(pairs)  # noqa: S311 - small runs shall not all follow a large one
        self._keys = [key for key, _ in pairs]
        self._runs = [run for _, run in pairs]
        self._times: dict[Cell, list[int]] = {key: [] for key in self._keys}
        self._done = 0
        self.spent_ns = 0

    @property
    def rounds(self) -> int:
        """How many times everything was measured."""
        return self._done // len(self._runs)

    def warm_up(self) -> None:
        """Run everything once, unmeasured."""
        for run in self._runs:
            run()

    def catch_up(self, budget_ns: float) -> None:
        """Measure until `spent_ns` has reached a budget, after one untimed run: whole batches ran before."""
        if self.spent_ns < budget_ns:
            self._runs[self._done % len(self._runs) - 1]()
        while self.spent_ns < budget_ns:
            index = self._done % len(self._runs)
            before = perf_counter_ns()
            self._runs[index]()
            took = perf_counter_ns() - before
            self._times[self._keys[index]].append(took)
            self.spent_ns += took
            self._done += 1

    def table_at(self, length: int | None) -> CostTable:  # noqa: ARG002 - there is one
        """The same; a network without a sequence axis has one length."""
        return self.table()

    def table(self) -> CostTable:
        """The medians, after one round or more; engine, device and moves are those of the bundle's table."""
        buckets = self._costs.buckets[: self._used]
        medians = {key: median(times) / NS_PER_MS for key, times in self._times.items()}
        return replace(
            self._costs,
            buckets=buckets,
            segment_ms=tuple(tuple(medians[k, b] for b in buckets) for k in range(self._segments)),
            whole_ms=tuple(medians[self._segments, b] for b in buckets),
            head_ms=tuple(tuple(medians[-1 - k, b] for b in buckets) for k in range(len(self._costs.head_ms))),
        )
