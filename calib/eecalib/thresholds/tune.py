"""Tune thresholds: the smallest expected cost of a batch that keeps the quality asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_table import ExitTable
from eecalib.expected_cost import SegmentCosts, tabulate_expected_cost
from eecalib.replay import Replay, replay
from eecalib.thresholds.grouped_search import grouped_thresholds
from eecalib.thresholds.idle_exits import without_idle_exits
from eecalib.thresholds.midpoints import at_midpoints
from eecalib.thresholds.pame import pame_thresholds
from eecalib.thresholds.pareto_beam import beam_thresholds
from eecalib.thresholds.problem import Found, Problem, Thresholds, required_correct
from eengines.errors import UserError
from eerun.folding import GroupExit

__all__ = ["Tuner", "Tuning", "search_thresholds", "tune_thresholds"]

Tuner = Literal["beam", "pame"]
"""`beam` searches all exits together; `pame` is the published greedy rule, one exit after the other.

Groups of a folded network leave together, for which `beam` stands for a search of its own, and `pame` for nothing.
"""

_TUNERS: dict[Tuner, Callable[[Problem], Found]] = {"beam": beam_thresholds, "pame": pame_thresholds}


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuning:
    """Tuned thresholds, and what they give on the table that they were tuned on.

    Attributes:
        thresholds: one for each exit but the last, exact in float32; None: nobody leaves there.
        replay: where the samples leave.
        expected_ms: expected milliseconds of one batch.
        expected_ms_without_exits: the same if every sample runs to the end.
        candidates: how many threshold vectors were looked at.
    """

    thresholds: Thresholds
    replay: Replay
    expected_ms: float
    expected_ms_without_exits: float
    candidates: int


def tune_thresholds(
    table: ExitTable,
    costs: SegmentCosts,
    *,
    batch: int,
    max_drop: float,
    agreement: bool,
    tuner: Tuner = "beam",
) -> Tuning:
    """Choose the thresholds with the smallest expected cost whose quality on the table is good enough.

    Good enough is an accuracy of at least `(1 − max_drop)` times the final exit's, or an agreement with the final
    exit of at least `1 − max_drop`. If no thresholds save time within that, all are None. The drop on new samples is
    larger than on the table, because the thresholds are fitted to it: see `optimism`.

    Args:
        table: scores and answers of the tune split.
        costs: what it costs to run some rows of each segment.
        batch: rows in one batch at run time: samples, or groups of a folded network.
        max_drop: the allowed relative drop, for example 0.01 for one per cent. A negative drop asks for an accuracy
            above the final exit's, which leaves a margin for new samples.
        agreement: measure agreement with the final exit even if there are labels.
        tuner: how to search.

    Raises:
        UserError: `max_drop` is not within −1 and 1, `tuner` is unknown, `costs` has another number of segments than
            the table has exits, or `batch` is not within 1 and `costs.max_batch`.
    """
    correct = table.against(agreement=agreement)
    problem, found = search_thresholds(
        table.scores,
        correct,
        costs,
        batch=batch,
        max_drop=max_drop,
        tuner=tuner,
        fold=table.fold,
        rule=table.rule,
    )
    return Tuning(
        thresholds=found.thresholds,
        replay=replay(table, found.thresholds),
        expected_ms=problem.outcome(found.thresholds).ms,
        expected_ms_without_exits=problem.cost.full_ms,
        candidates=found.candidates,
    )


def search_thresholds(  # noqa: PLR0913 - what an exit table says, without its answers
    scores: NDArray[np.float32],
    correct: NDArray[np.int64],
    costs: SegmentCosts,
    *,
    batch: int,
    max_drop: float,
    tuner: Tuner = "beam",
    fold: int = 1,
    rule: GroupExit = GroupExit.ALL,
) -> tuple[Problem, Found]:
    """Search with counts alone; see `tune_thresholds`.

    Args:
        scores: `[samples, exits] float32`.
        correct: `[samples, exits] int64`, how many units of a sample an exit has right.
        costs: what it costs to run some rows of each segment.
        batch: rows in one batch at run time: samples, or groups of a folded network.
        max_drop: the allowed relative drop.
        tuner: how to search.
        fold: images a group; 1: the network is not folded.
        rule: when a group leaves, where `fold` is above 1.

    Returns:
        The problem, and its thresholds, at midpoints.

    Raises:
        UserError: as for `tune_thresholds`.
    """
    _check(scores.shape[1], costs, max_drop, tuner, fold)
    problem = Problem(
        scores=scores,
        correct=correct,
        cost=tabulate_expected_cost(costs, batch=batch, samples=len(scores) // fold),
        required=required_correct(int(correct[:, -1].sum()), max_drop),
        fold=fold,
        rule=rule,
    )
    found = _TUNERS[tuner](problem) if fold == 1 else grouped_thresholds(problem)
    closed = without_idle_exits(problem, found.thresholds)
    thresholds = at_midpoints(scores, closed, fold=fold, rule=rule)
    return problem, Found(thresholds=thresholds, candidates=found.candidates)


def _check(exits: int, costs: SegmentCosts, max_drop: float, tuner: str, fold: int) -> None:
    """Refuse a drop out of range, an unknown tuner or one that knows no groups, and costs of another network."""
    if not -1 <= max_drop <= 1:
        raise UserError(
            "thresholds: max_drop",
            f"got {max_drop}, expected a fraction between -1 and 1",
            "Give 0.01 to allow one per cent less accuracy",
        )
    if tuner not in _TUNERS:
        raise UserError("thresholds: tuner", f"got {tuner!r}, expected one of {sorted(_TUNERS)}", "Choose one of them")
    if fold > 1 and tuner != "beam":
        raise UserError(
            "thresholds: tuner",
            f"got {tuner!r}, which lets samples leave one by one, for groups of {fold} images",
            "Choose beam",
        )
    if costs.segments != exits:
        raise UserError(
            "thresholds: costs",
            f"got costs of {costs.segments} segments, expected {exits}, one for each exit of the table",
            "Measure the costs of the network that the table was recorded from",
        )
