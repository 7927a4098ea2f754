"""Tables of folded networks made up for tests, and the definition of leaving in groups as a loop."""

from dataclasses import replace

import numpy as np
from calib.synthetic_exits import StairCosts, tiny_tables
from hypothesis import strategies as st
from numpy.typing import NDArray

from eecalib.exit_table import ExitTable
from eecalib.expected_cost import tabulate_expected_cost
from eecalib.thresholds.problem import Problem, Thresholds, required_correct
from eerun.folding import GroupExit

NEEDED = {
    GroupExit.ALL: lambda fold: fold,
    GroupExit.MAJORITY: lambda fold: fold // 2 + 1,
    GroupExit.FIRST: lambda _: 1,
}


@st.composite
def grouped_tables(
    draw: st.DrawFn, *, exits: tuple[int, int] = (2, 4), folds: tuple[int, ...] = (2, 3, 4)
) -> ExitTable:
    """Draw small tables of whole groups, with many ties."""
    fold = draw(st.sampled_from(folds))
    table = draw(tiny_tables(exits=exits, samples=4 * fold).filter(lambda table: table.samples >= fold))
    whole = table.rows(np.arange(table.samples - table.samples % fold))
    return replace(whole, fold=fold, rule=draw(st.sampled_from(list(GroupExit))))


def leave_group_by_group(table: ExitTable, thresholds: Thresholds) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Which exit answers each image, and where each group leaves: one image after the other."""
    answered, left = [], []
    for start in range(0, table.samples, table.fold):
        passed: dict[int, int] = {}
        for exit_ in range(table.exits):
            for image in range(start, start + table.fold):
                threshold = thresholds[exit_] if exit_ < table.exits - 1 else -np.inf
                passes = threshold is not None and table.scores[image, exit_] >= np.float32(threshold)
                if passes and image not in passed:
                    passed[image] = exit_
            if len(passed) >= NEEDED[table.rule](table.fold):
                left.append(exit_)
                answered += [passed.get(image, exit_) for image in range(start, start + table.fold)]
                break
    return np.array(answered, np.int32), np.array(left, np.int32)


def grouped_problem(table: ExitTable, costs: StairCosts, *, max_drop: float) -> Problem:
    """The search problem of a table of groups."""
    return Problem(
        scores=table.scores,
        correct=table.correct,
        cost=tabulate_expected_cost(costs, batch=costs.max_batch, samples=table.groups),
        required=required_correct(int(table.correct[:, -1].sum()), max_drop),
        fold=table.fold,
        rule=table.rule,
    )
