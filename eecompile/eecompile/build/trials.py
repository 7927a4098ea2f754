"""Measure, record and tune every candidate, in turns."""

from collections.abc import Mapping

from eecalib.agreement import answers_kept, exits_agreement
from eecompile.build.candidates import PORTABLE, Candidate
from eecompile.build.float32_chain import Float32Chain
from eecompile.build.lower_graphs import Lowering, lower_graphs
from eecompile.build.measured_costs import MeasuredCosts, measure_loaded, open_executor
from eecompile.build.prepare import Prepared
from eecompile.build.rank import rank_score
from eecompile.build.recorded import Recorded, record_splits
from eecompile.build.settings import BuildSettings
from eecompile.build.trial import Loaded, Trial, load_candidate
from eecompile.build.tune import Tuned, tune
from eecompile.stages import Stages
from eengines.engine import Backend
from eengines.errors import BuildError, DataError, EEError, EngineError
from eengines.threads import threads_or_default
from eerun.answer_unit import answer_unit

__all__ = ["run_trials"]


def run_trials(
    prepared: Prepared,
    source: Lowering,
    float32: Float32Chain,
    candidates: Mapping[Candidate, Backend],
    settings: BuildSettings,
    stages: Stages,
) -> tuple[Trial, ...]:
    """Return one trial for each candidate that its engine takes; the portable one is first."""
    with stages.stage("lower and load " + ", ".join(c.words for c in candidates if c != PORTABLE)):
        loaded = [float32.loaded, *_load(prepared, source, candidates, settings, stages)]
    with stages.stage("measure segments, in turns"):
        measured = measure_loaded(loaded, prepared, settings, stages.progress, seconds=settings.measure_seconds)
    trials = []
    for entry, costs in zip(loaded, measured, strict=True):
        try:
            recorded = _record(entry, costs, float32, prepared, stages)
        except (DataError, EngineError) as error:
            _leave_out(entry.candidate, error, settings, stages)
            continue
        tuned = tune(recorded, float32.recorded, costs.table, settings, stages)
        trials.append(
            _trial(
                entry, costs, recorded, tuned, float32, unit=answer_unit(prepared.ingested.task), policy=settings.policy
            )
        )
    return tuple(trials)


def _load(
    prepared: Prepared,
    source: Lowering,
    candidates: Mapping[Candidate, Backend],
    settings: BuildSettings,
    stages: Stages,
) -> list[Loaded]:
    """Load all but the portable one; an engine may refuse what the user did not ask for."""
    loaded, threads = [], threads_or_default(settings.threads)
    for number, (candidate, backend) in enumerate(candidates.items(), start=1):
        stages.progress(number / len(candidates))
        if candidate == PORTABLE:
            continue
        graphs = lower_graphs(source, family=candidate.engine, precision=candidate.precision)
        try:
            loaded.append(load_candidate(candidate, graphs, backend, prepared, threads=threads))
        except EngineError as error:
            _leave_out(candidate, error, settings, stages)
    return loaded


def _leave_out(candidate: Candidate, error: EEError, settings: BuildSettings, stages: Stages) -> None:
    """Go on without a candidate that fails, unless it is the portable one or the only one that the user wants."""
    reason = f"{error.where}: {error.problem}"
    if candidate == PORTABLE or (settings.wanted_here == candidate.precision and settings.engine == candidate.engine):
        raise BuildError(candidate.words, reason, error.remedy) from error
    stages.warn(f"{candidate.words} is left out: {reason}")


def _record(
    entry: Loaded, costs: MeasuredCosts, float32: Float32Chain, prepared: Prepared, stages: Stages
) -> Recorded | None:
    """What the exits of a candidate say."""
    if entry.candidate == PORTABLE:
        return float32.recorded
    with stages.stage(f"record exits, {entry.candidate.words}"):
        return record_splits(open_executor(entry, costs, prepared), prepared, stages)


def _trial(
    entry: Loaded,
    costs: MeasuredCosts,
    recorded: Recorded | None,
    tuned: Tuned,
    float32: Float32Chain,
    *,
    unit: str,
    policy: str,
) -> Trial:
    """Compare a candidate with float32."""
    agreement = on_test = kept = ranks = None
    if recorded is not None and float32.recorded is not None:
        table, table32 = recorded.tune, float32.recorded.tune
        agreement = exits_agreement(table, table32)
        on_test = exits_agreement(recorded.test, float32.recorded.test)
        kept = answers_kept(table, table32, float32.thresholds)
        ranks = rank_score(table, policy)
    return Trial(
        loaded=entry,
        unit=unit,
        costs=costs.table,
        length_costs=tuple(costs.at.values()),
        tuned=tuned,
        agreement=agreement,
        agreement_test=on_test,
        answers_kept=kept,
        ranks=ranks,
    )
