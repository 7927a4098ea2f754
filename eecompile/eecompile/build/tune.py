"""Find the thresholds, and replay them on data that tuning never saw."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from eecalib.exit_table import ExitTable
from eecalib.expected_cost import expected_batch_ms
from eecalib.record import record_exits
from eecalib.replay import replay
from eecalib.thresholds import optimism, tune_thresholds
from eecompile.build.prepare import Prepared
from eecompile.build.report import SplitReport
from eecompile.build.settings import BuildSettings
from eecompile.build.stages import Stages
from eengines.errors import UserError
from eerun.costs import CostTable
from eerun.executor import ChainExecutor

__all__ = ["Tuned", "tune"]

FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """Thresholds, and what they do."""

    thresholds: tuple[float | None, ...]
    tune: SplitReport | None
    test: SplitReport | None


def tune(
    prepared: Prepared, executor: ChainExecutor, costs: CostTable, settings: BuildSettings, stages: Stages
) -> Tuned:
    """Tune on *tune* (or take the thresholds given), report on *test*."""
    exits = len(prepared.split.segments)
    by_hand = _by_hand(settings, exits)
    if not prepared.splits:
        return Tuned(thresholds=by_hand or (None,) * (exits - 1), tune=None, test=None)
    with stages.stage("record exits on tune"):
        tune_table = record_exits(executor, prepared.splits["tune"], stages.progress)
    with stages.stage("tune thresholds"):
        thresholds = by_hand if by_hand is not None else _search(tune_table, costs, settings, stages)
    with stages.stage("record exits on test"):
        test_table = record_exits(executor, prepared.splits["test"], stages.progress)
    return Tuned(
        thresholds=thresholds,
        tune=split_report(tune_table, thresholds, costs),
        test=split_report(test_table, thresholds, costs),
    )


def split_report(table: ExitTable, thresholds: Sequence[float | None], costs: CostTable) -> SplitReport:
    """Replay thresholds on a table."""
    result = replay(table, thresholds)
    every = None if table.labels is None else tuple(float(v) for v in table.correct.mean(axis=0))
    return SplitReport(
        samples=table.samples,
        shares=result.shares,
        accuracy=result.accuracy,
        accuracy_final=result.accuracy_final,
        exit_accuracy_all=every,
        agreement=result.agreement,
        expected_ms=expected_batch_ms(costs, reached=result.reached, batch=costs.max_batch),
        expected_ms_without_exits=expected_batch_ms(costs, reached=(1.0,) * table.exits, batch=costs.max_batch),
    )


def _by_hand(settings: BuildSettings, exits: int) -> tuple[float | None, ...] | None:
    if settings.thresholds is None:
        return None
    if len(settings.thresholds) != exits - 1:
        raise UserError(
            "--thresholds",
            f"got {len(settings.thresholds)}, expected {exits - 1}: one for each exit but the last",
            "Give as many, with `never` where nobody shall leave",
        )
    return tuple(None if isnan(value) else value for value in settings.thresholds)


def _search(table: ExitTable, costs: CostTable, settings: BuildSettings, stages: Stages) -> tuple[float | None, ...]:
    """Search on the whole tune split, for a drop that leaves room for what the search overfits."""
    batch = costs.max_batch
    extra = max(
        0.0,
        optimism(
            table,
            costs,
            batch=batch,
            max_drop=settings.max_drop,
            agreement=settings.agreement,
            folds=min(FOLDS, table.samples),
            seed=settings.seed,
        )
        if table.samples >= FOLDS
        else 0.0,
    )
    found = tune_thresholds(table, costs, batch=batch, max_drop=settings.max_drop - extra, agreement=settings.agreement)
    stages.detail(
        f"looked at {found.candidates} threshold vectors; searched for a drop of {settings.max_drop:.2%} less "
        f"{extra:.2%}, by which the search overfits {table.samples} samples (5-fold estimate); expected "
        f"{found.expected_ms:.2f} ms a batch of {batch}, {found.expected_ms_without_exits:.2f} ms without exits"
    )
    return found.thresholds
