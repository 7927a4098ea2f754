"""Put together what a build measured."""

from time import perf_counter

from eecompile.build.choose import Chosen
from eecompile.build.lower_graphs import Lowering
from eecompile.build.prepare import Prepared
from eecompile.build.report import BuildReport, SegmentReport, TargetReport, TrialReport
from eecompile.build.settings import BuildSettings
from eecompile.build.target_graphs import TargetGraphs
from eecompile.build.trial import Trial
from eecompile.build.tune import Tuned

__all__ = ["make_report"]


def make_report(
    prepared: Prepared,
    chosen: Chosen,
    source: Lowering,
    settings: BuildSettings,
    *,
    names: tuple[str, str],
    chain_error: float,
    started: float,
) -> BuildReport:
    """Return the report.

    Args:
        prepared: the network in segments.
        chosen: what was tried, and what was chosen.
        source: what the graphs were made of.
        settings: what the user chose.
        names: of the model file and of the bundle.
        chain_error: see `BuildReport`.
        started: `perf_counter()` when the build started.
    """
    costs, tuned, ranges = chosen.best.costs, chosen.best.tuned, source.ranges
    trials = [*(_trial(trial, kept=True) for trial in chosen.kept)]
    trials += [_trial(trial, kept=False) for trial in chosen.dropped]
    return BuildReport(
        model=names[0],
        bundle=names[1],
        task=prepared.ingested.task,
        policy=settings.policy,
        max_drop=settings.max_drop if settings.thresholds is None else None,
        drop_measure="agreement" if settings.agreement else "accuracy",
        max_quant_drop=settings.max_quant_drop,
        trials=tuple(trials),
        calibration=None
        if ranges is None
        else f"{ranges.method} on {ranges.calibrate_on}: {', '.join(map(str, ranges.samples))} "
        + ("samples" if prepared.fold == 1 else f"groups of {prepared.fold} images"),
        keep_float=tuple(sorted(source.stays_float(half=settings.wanted_here == "float16"))),
        segments=_segments(prepared, tuned),
        whole_macs=prepared.split.whole_macs,
        costs=costs,
        batch=chosen.best.batch,
        whole_ms=chosen.fastest_whole.whole_ms,
        fastest_whole=chosen.fastest_whole.candidate.words,
        targets=tuple(_target(entry) for entry in chosen.targets),
        tune=tuned.tune,
        test=tuned.test,
        reference_error=prepared.reference_error,
        chain_error=chain_error,
        warnings=_warnings(chosen, settings),
        seconds=perf_counter() - started,
        ranks=() if chosen.best.ranks is None else (chosen.best.ranks,),
        fold=prepared.fold,
        group_exit=prepared.group_exit,
    )


def _trial(trial: Trial, *, kept: bool) -> TrialReport:
    return TrialReport(
        engine=trial.candidate.engine,
        precision=trial.candidate.precision,
        whole_ms=trial.whole_ms,
        chain_ms=trial.chain_ms,
        expected_ms=None if trial.tuned.tune is None else trial.tuned.tune.expected_ms,
        agreement=trial.agreement,
        agreement_test=trial.agreement_test,
        answers_kept=trial.answers_kept,
        tune=trial.tuned.tune,
        test=trial.tuned.test,
        kept=kept,
    )


def _target(entry: TargetGraphs) -> TargetReport:
    return TargetReport(
        target=entry.target,
        precision=entry.precision,
        opset=entry.opset,
        agreement=entry.agreement,
        answers_kept=entry.answers_kept,
        keep_float=entry.keep_float,
    )


def _segments(prepared: Prepared, tuned: Tuned) -> tuple[SegmentReport, ...]:
    parts = zip(
        prepared.ingested.exits,
        prepared.split.segments,
        prepared.split.plan.segments,
        (*tuned.thresholds, None),
        strict=True,
    )
    return tuple(
        SegmentReport(
            exit=name,
            nodes=len(segment.model.graph),
            macs=segment.macs,
            parameters=segment.parameters,
            boundary_bytes=plan.crossing_bytes,
            boundary=plan.crossing,
            threshold=threshold,
        )
        for name, segment, plan, threshold in parts
    )


def _warnings(chosen: Chosen, settings: BuildSettings) -> tuple[str, ...]:
    """What a user should know before using the bundle."""
    found, test = [*_int8_does_not_pay(chosen)], chosen.best.tuned.test
    if test is None:
        return (*found, "no data: thresholds are as given, nothing is known about accuracy")
    fastest = chosen.fastest_whole
    if test.expected_ms >= fastest.whole_ms:
        found.append(
            f"exits do not pay here: expected {test.expected_ms:.2f} ms a batch of {chosen.best.batch}, "
            f"the whole network takes {fastest.whole_ms:.2f} ms ({fastest.candidate.words})"
        )
    final = 1.0 if settings.agreement else test.accuracy_float32
    reached = test.agreement if settings.agreement else test.accuracy
    if settings.thresholds is None and final and reached is not None and reached < final * (1 - settings.max_drop):
        found.append(
            f"on test the drop is {1 - reached / final:.2%}, more than the {settings.max_drop:.2%} asked for: "
            "thresholds fitted to the tune split promise nothing on other samples"
        )
    return tuple(found)


def _int8_does_not_pay(chosen: Chosen) -> list[str]:
    """Say where INT8 is slower than another precision of the same engine."""
    found = []
    for trial in (trial for trial in chosen.kept if trial.candidate.precision == "int8"):
        rivals = [t for t in chosen.kept if t.candidate.engine == trial.candidate.engine and t is not trial]
        best = min(rivals, key=lambda rival: rival.expected_ms, default=trial)
        if best.expected_ms < trial.expected_ms:
            found.append(
                f"INT8 does not pay on {trial.candidate.engine}: {trial.expected_ms:.2f} ms a batch of "
                f"{trial.batch}, {best.candidate.precision} takes {best.expected_ms:.2f} ms"
            )
    return found
