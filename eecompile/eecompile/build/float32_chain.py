"""The portable float32 chain: checked against the whole graph, and recorded for everything else to be compared with."""

from dataclasses import dataclass

from eecompile.build.candidates import PORTABLE
from eecompile.build.check_chain import check_chain
from eecompile.build.lower_graphs import Lowering, lower_graphs
from eecompile.build.measured_costs import MeasuredCosts, measure_loaded, open_executor
from eecompile.build.prepare import Prepared
from eecompile.build.recorded import Recorded, record_splits
from eecompile.build.settings import BuildSettings
from eecompile.build.trial import Loaded, load_candidate
from eecompile.build.tune import tune
from eecompile.stages import Stages
from eengines.backends import load_backend
from eengines.threads import threads_or_default
from eerun.costs import CostTable
from eerun.executor import ChainExecutor, LengthExecutor

__all__ = ["Float32Chain", "run_float32"]

SHARE_OF_TIME = 0.25
"""Of the time to measure; these costs only serve to find out who survives to which segment."""


@dataclass(frozen=True, kw_only=True)
class Float32Chain:
    """ONNX Runtime in float32.

    Attributes:
        loaded: its graphs.
        measured: costs, from a short run of their own.
        executor: ready to run.
        recorded: what every exit says; None without data.
        thresholds: tuned on these costs.
        chain_error: see `BuildReport`.
    """

    loaded: Loaded
    measured: MeasuredCosts
    executor: ChainExecutor | LengthExecutor
    recorded: Recorded | None
    thresholds: tuple[float | None, ...]
    chain_error: float

    @property
    def costs(self) -> CostTable:
        """Its costs in one table."""
        return self.measured.table


def run_float32(prepared: Prepared, source: Lowering, settings: BuildSettings, stages: Stages) -> Float32Chain:
    """Load, measure, check and record the float32 segments."""
    graphs = lower_graphs(source, family=PORTABLE.engine, precision=PORTABLE.precision)
    threads = threads_or_default(settings.threads)
    loaded = load_candidate(PORTABLE, graphs, load_backend(PORTABLE.engine), prepared, threads=threads)
    with stages.stage("measure float32 segments"):
        seconds = SHARE_OF_TIME * settings.measure_seconds
        (measured,) = measure_loaded([loaded], prepared, settings, stages.progress, seconds=seconds)
    executor = open_executor(loaded, measured, prepared)
    with stages.stage("check the chain"):
        fold, exits = prepared.ingested.fold, prepared.ingested.exits
        error = check_chain(executor, prepared.model, exits, prepared.samples, fold=fold)
    with stages.stage("record exits in float32"):
        recorded = record_splits(executor, prepared, stages)
    with stages.stage("tune thresholds in float32"):
        thresholds = tune(recorded, recorded, measured.table, settings, stages).thresholds
    return Float32Chain(
        loaded=loaded,
        measured=measured,
        executor=executor,
        recorded=recorded,
        thresholds=thresholds,
        chain_error=error,
    )
