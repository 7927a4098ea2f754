"""Exit tables and costs made up for tests: correlated exits with a known law, tiny tables, and stair-shaped costs."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from hypothesis import strategies as st

from eecalib.exit_table import ExitTable
from eecalib.expected_cost import tabulate_expected_cost
from eecalib.thresholds.problem import Problem, Thresholds, required_correct

CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class StairCosts:
    """Each segment costs a fixed time for every started group of rows, as an engine with buckets does."""

    group_ms: tuple[float, ...]
    group: int
    max_batch: int

    @property
    def segments(self) -> int:
        return len(self.group_ms)

    def run_ms(self, segment: int, rows: int) -> float:
        return self.group_ms[segment] * -(-rows // self.group)

    def run_head_ms(self, exit_index: int, rows: int) -> float:  # noqa: ARG002 - heads are in their segments
        return 0.0


def correlated_exits(samples: int, exits: int, *, seed: int) -> ExitTable:
    """Draw a table whose exits share the difficulty of a sample, and whose errors drift slowly from exit to exit.

    Deeper exits are better. The score is a noisy, imperfect function of the distance to the decision.
    """
    random = np.random.default_rng(seed)
    difficulty = 1.35 * random.normal(size=samples)
    drift = np.zeros(samples)
    margin = np.empty((samples, exits))
    for exit_, ability in enumerate(np.linspace(0.2, 2.0, exits)):
        drift = 0.7 * drift + 0.5 * random.normal(size=samples)
        margin[:, exit_] = ability - difficulty + drift
    labels = random.integers(0, CLASSES, samples)
    wrong = (labels + random.integers(1, CLASSES, samples)) % CLASSES
    noisy = 1.2 * np.abs(margin) + 0.6 * random.normal(size=margin.shape)
    return ExitTable(
        scores=(1 / (1 + np.exp(-noisy))).astype(np.float32),
        answers=np.where(margin > 0, labels[:, None], wrong[:, None]).astype(np.int64),
        labels=labels.astype(np.int64),
    )


@st.composite
def tiny_tables(draw: st.DrawFn, *, exits: tuple[int, int] = (1, 4), samples: int = 12) -> ExitTable:
    """Draw small tables with many ties, few classes, and labels or none."""
    rows, columns = draw(st.integers(1, samples)), draw(st.integers(*exits))
    levels = st.lists(st.integers(0, draw(st.integers(0, 9))), min_size=rows * columns, max_size=rows * columns)
    classes = st.integers(0, 2)
    answers = draw(st.lists(classes, min_size=rows * columns, max_size=rows * columns))
    labels = draw(st.none() | st.lists(classes, min_size=rows, max_size=rows))
    return ExitTable(
        scores=(np.array(draw(levels), np.float32) / np.float32(9)).reshape(rows, columns),
        answers=np.array(answers, np.int64).reshape(rows, columns),
        labels=None if labels is None else np.array(labels, np.int64),
    )


@st.composite
def stair_costs(draw: st.DrawFn, *, segments: int) -> StairCosts:
    """Draw costs of up to 6 rows; a segment may be free, and steps make some exits useless."""
    times = st.lists(st.integers(0, 8).map(float), min_size=segments, max_size=segments)
    return StairCosts(group_ms=tuple(draw(times)), group=draw(st.integers(1, 6)), max_batch=6)


def problem_of(table: ExitTable, costs: StairCosts, *, max_drop: float, agreement: bool = False) -> Problem:
    """Return the search problem of a table at the largest batch."""
    correct = table.against(agreement=agreement)
    return Problem(
        scores=table.scores,
        correct=correct,
        cost=tabulate_expected_cost(costs, batch=costs.max_batch, samples=table.samples),
        required=required_correct(int(correct[:, -1].sum()), max_drop),
    )


def cheapest_of_all(problem: Problem) -> float:
    """Return the smallest expected cost of all feasible threshold vectors, by trying each, and of no exits at all."""
    options: list[list[float | None]] = [[None, *np.unique(column).tolist()] for column in problem.scores.T[:-1]]
    vectors: list[Thresholds] = list(product(*options))
    outcomes = [problem.outcome(vector) for vector in vectors]
    return min([o.ms for o in outcomes if o.correct >= problem.required] + [problem.cost.full_ms])
