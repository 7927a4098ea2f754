"""A lane of three segments in numpy, on a clock that stands still but for what its runs cost by the cost table."""

from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from eerun.costs import CostTable
from eerun.executor import Answers, Step
from eerun.scheduler import Request, Terms
from eerun.scheduler.lanes import Ran
from eerun.scheduler.request import Answered

__all__ = ["SEGMENTS", "Clock", "SimulatedLane", "expected_answers", "make_request", "simulated_costs"]

SEGMENTS = 3
BUCKETS = (1, 2, 4, 8)
STEP_NS = 1000


@dataclass
class Clock:
    """Nanoseconds since the test began."""

    now_ns: int = 1

    def __call__(self) -> int:
        return self.now_ns


def simulated_costs(segment_ms=((1.0, 1.2, 1.6, 2.4),) * SEGMENTS, move_ms=(0.01, 0.01)) -> CostTable:
    return CostTable(
        engine="numpy",
        precision="float32",
        device="simulated",
        buckets=BUCKETS,
        segment_ms=tuple(segment_ms),
        whole_ms=tuple(sum(row[b] for row in segment_ms) for b in range(len(BUCKETS))),
        move_ms=move_ms,
    )


def score_of(x: np.ndarray, exit_index: int) -> np.ndarray:
    """A made-up score in 0 to 1."""
    return np.modf(np.abs(x) * (exit_index + 1.37))[0].astype(np.float32)


def logits_of(x: np.ndarray, exit_index: int) -> np.ndarray:
    return np.stack([x * (exit_index + 1), -x, np.full_like(x, exit_index)], axis=1).astype(np.float32)


def expected_answers(x: np.ndarray, terms: Terms) -> tuple[np.ndarray, np.ndarray]:
    """Exit and logits of each sample by itself."""
    exits = np.full(len(x), SEGMENTS - 1)
    for index in range(len(x)):
        for exit_index in range(SEGMENTS - 1):
            threshold = terms.thresholds[exit_index]
            passed = threshold is not None and score_of(x[index : index + 1], exit_index)[0] >= np.float32(threshold)
            if passed or exit_index == terms.max_exit:
                exits[index] = exit_index
                break
    return exits, np.concatenate([logits_of(x[i : i + 1], int(e)) for i, e in enumerate(exits)])


def make_request(x: np.ndarray, *, thresholds=(0.5, 0.5), max_exit=SEGMENTS - 1, watched=None, **given) -> Request:
    count = len(x)
    return Request(
        inputs={"x": x},
        count=count,
        terms=Terms(thresholds=tuple(thresholds), max_exit=max_exit),
        answers=Answers(
            outputs=np.full((count, 3), np.nan, np.float32),
            exit_index=np.full(count, -1, np.int32),
            confidence=np.full(count, np.nan, np.float32),
            shadow=watched,
        ),
        **given,
    )


@dataclass
class SimulatedLane:
    """See `Lane`."""

    clock: Clock
    costs: CostTable = field(default_factory=simulated_costs)
    max_rows: int = 8
    fold: int = 1
    segments: int = SEGMENTS
    mixes: bool = True
    in_flight: int = 1
    fail_at: set = field(default_factory=set)
    """Numbers of runs that raise `error`."""
    error: Exception = field(default_factory=lambda: RuntimeError("made to fail"))
    runs: list = field(default_factory=list)
    """Segment and rows of each run."""

    def __post_init__(self):
        self.rows = [[] for _ in range(self.segments)]

    @property
    def waiting(self):
        return [len(rows) for rows in self.rows]

    def start(self, chunks):
        rows = [(c.request, int(index)) for c in chunks for index in c.samples]
        assert 1 <= len(rows) <= self.max_rows * self.fold
        if not self.mixes:
            assert len({c.request.terms for c in chunks}) == 1
        return self._pass(0, rows)

    def run(self, segment):
        rows, self.rows[segment] = self.rows[segment], []
        assert rows, "a run of nobody"
        return self._pass(segment, rows)

    def requests_at(self, segment):
        return tuple(dict.fromkeys(request for request, _ in self.rows[segment]))

    def _pass(self, segment, rows):
        last = segment == SEGMENTS - 1
        count = -(-len(rows) // self.fold)
        if not last:
            assert len(self.rows[segment + 1]) + count <= self.max_rows, "no room for the survivors"
        number = len(self.runs)
        self.runs.append((segment, count))
        run_ns = int(self.costs.run_ms(segment, count) * 1e6)
        self.clock.now_ns += run_ns
        if number in self.fail_at:
            raise self.error
        x = np.array([request.inputs["x"][index] for request, index in rows])
        scores, logits, left = score_of(x, segment), logits_of(x, segment), {}
        for row, (request, index) in enumerate(rows):
            threshold = None if last else request.terms.thresholds[segment]
            passed = threshold is not None and scores[row] >= np.float32(threshold)
            if last or passed or segment == request.terms.max_exit:
                left.setdefault(request, []).append(row)
            else:
                self.rows[segment + 1].append((request, index))
        found = [row for rows_of_call in left.values() for row in rows_of_call]
        answered = Answered(
            exit_index=segment,
            requests=list(left),
            bounds=[0, *accumulate(map(len, left.values()))],
            samples=np.array([rows[row][1] for row in found], np.intp),
            outputs=logits[found],
            confidence=scores[found],
        )
        step = Step(segment, count, len(rows), len(found), run_ns, 0, run_ns)
        return Ran(steps=(step,), answered=(answered,) if found else ())
