"""Find the thresholds of one configuration, and replay them on data that tuning never saw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan

from eecalib.exit_table import ExitTable
from eecalib.expected_cost import expected_batch_ms
from eecalib.replay import replay
from eecalib.tune_against import tune_against
from eecompile.build.recorded import Recorded
from eecompile.build.report import SplitReport
from eecompile.build.settings import BuildSettings
from eecompile.stages import Stages
from eengines.errors import UserError
from eerun.costs import CostTable

__all__ = ["Tuned", "split_report", "thresholds_by_hand", "tune", "tuned_thresholds"]


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """Thresholds, and what they do."""

    thresholds: tuple[float | None, ...]
    tune: SplitReport | None
    test: SplitReport | None


def tune(
    recorded: Recorded | None, reference: Recorded | None, costs: CostTable, settings: BuildSettings, stages: Stages
) -> Tuned:
    """Tune on *tune* (or take the thresholds given), report on *test*.

    Args:
        recorded: what the exits of this configuration say; None without data.
        reference: what they say in float32: the drop that the user allows is against its final exit.
        costs: measured times of this configuration.
        settings: what the user chose.
        stages: where decisions are explained.
    """
    by_hand = thresholds_by_hand(settings, costs.segments)
    if recorded is None or reference is None:
        return Tuned(thresholds=by_hand or (None,) * (costs.segments - 1), tune=None, test=None)
    thresholds = tuned_thresholds(recorded.tune, reference.tune, costs, settings, stages)
    return Tuned(
        thresholds=thresholds,
        tune=split_report(recorded.tune, reference.tune, thresholds, costs),
        test=split_report(recorded.test, reference.test, thresholds, costs),
    )


def tuned_thresholds(
    table: ExitTable, reference: ExitTable, costs: CostTable, settings: BuildSettings, stages: Stages
) -> tuple[float | None, ...]:
    """Thresholds by hand, or the best on a table of *tune*; `reference` is what float32 says about the same samples."""
    by_hand = thresholds_by_hand(settings, costs.segments)
    if by_hand is not None:
        return by_hand
    return tune_against(
        table,
        reference,
        costs,
        max_drop=settings.max_drop,
        agreement=settings.agreement,
        seed=settings.seed,
        detail=stages.detail,
    )


def split_report(
    table: ExitTable,
    reference: ExitTable,
    thresholds: Sequence[float | None],
    costs: CostTable,
    *,
    tested: Sequence[float] | None = None,
) -> SplitReport:
    """Replay thresholds on a table.

    Args:
        table: what the exits of a configuration say.
        reference: what they say in float32.
        thresholds: one for each exit but the last.
        costs: measured times of the configuration.
        tested: for each early exit the share of samples whose head runs; None: of all that reach it.
    """
    result = replay(table, thresholds)
    final = replay(replace(table, labels=reference.answers[:, -1]), thresholds)
    units = int(table.units.sum())
    every = None if table.labels is None else tuple(int(count) / units for count in table.correct.sum(axis=0))
    return SplitReport(
        samples=table.samples,
        units=units,
        shares=result.shares,
        accuracy=result.accuracy,
        accuracy_final=result.accuracy_final,
        accuracy_float32=None if table.labels is None else int(reference.correct[:, -1].sum()) / units,
        exit_accuracy_all=every,
        agreement=final.accuracy if final.accuracy is not None else result.agreement,
        expected_ms=expected_batch_ms(costs, reached=result.reached, tested=tested, batch=costs.max_batch),
        expected_ms_without_exits=expected_batch_ms(costs, reached=(1.0,) * table.exits, batch=costs.max_batch),
    )


def thresholds_by_hand(settings: BuildSettings, exits: int) -> tuple[float | None, ...] | None:
    """The thresholds that the user gave, or None."""
    if settings.thresholds is None:
        return None
    if len(settings.thresholds) != exits - 1:
        raise UserError(
            "--thresholds",
            f"got {len(settings.thresholds)}, expected {exits - 1}: one for each exit but the last",
            "Give as many, with `never` where nobody shall leave",
        )
    return tuple(None if isnan(value) else value for value in settings.thresholds)
