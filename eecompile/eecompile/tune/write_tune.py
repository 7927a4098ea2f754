"""Put the tuned bundle in the place of the old one, in one step."""

from dataclasses import replace

from eecompile.build.report import BuildReport, SegmentReport, TrialReport
from eecompile.stages import Stages
from eecompile.tune.finish import Finished
from eecompile.tune.pictures import pareto_pictures
from eecompile.tune.report import TuneReport
from eecompile.tune.settings import TuneSettings
from eengines.errors import BundleError
from eerun.bundle import EASINESS_NAME, REFRESH_NAME, TUNE_NAME, Bundle, Manifest, bundle_lock, rewrite_bundle

__all__ = ["write_tune"]


def write_tune(bundle: Bundle, finished: Finished, report: TuneReport, settings: TuneSettings, stages: Stages) -> None:
    """Write graphs, policies, costs, reports and pictures.

    Raises:
        BundleError: somebody else has changed the bundle meanwhile.
        UserError: it cannot be written.
    """
    new = finished.new
    files = dict(new.files)
    files[TUNE_NAME] = report
    build = _build_report(bundle, finished, report, settings)
    files[bundle.manifest.report] = build
    if finished.easiness is not None:
        files[EASINESS_NAME] = finished.easiness
    float32 = None if build.tune is None else build.tune.accuracy_float32
    files |= pareto_pictures(report, 1.0 if settings.agreement or float32 is None else float32, stages)

    def change(manifest: Manifest) -> Manifest:
        if manifest != bundle.manifest:
            raise BundleError(str(bundle.path), "it was changed while it was tuned", "Tune it again")
        easiness = None if finished.easiness is None else EASINESS_NAME  # one of other thresholds is worth nothing
        return replace(new.manifest, files=manifest.files, easiness=easiness)

    with bundle_lock(bundle.path):
        rewrite_bundle(bundle.path, change, files, drop=(REFRESH_NAME,))


def _build_report(bundle: Bundle, finished: Finished, report: TuneReport, settings: TuneSettings) -> BuildReport:
    """The report of the build, with what runs now."""
    old = bundle.read_json(bundle.manifest.report, BuildReport)
    first = finished.configurations[0]
    trials = {f"{trial.engine}-{trial.precision}": trial for trial in old.trials}
    kept: list[TrialReport] = []
    for index, each in enumerate(finished.configurations):
        name = each.entry.name
        if name not in trials:
            continue
        mine = finished.splits if index == 0 else {}
        full = each.costs.max_batch
        kept.append(
            replace(
                trials.pop(name),
                whole_ms=each.costs.of_whole().run_ms(0, full),
                chain_ms=each.costs.chain_ms(full),
                expected_ms=each.full_batch_ms,
                agreement=None,
                agreement_test=None,
                answers_kept=None,
                tune=mine.get("tune"),
                test=mine.get("test"),
            )
        )
    return replace(
        old,
        policy=first.policy.policy,
        group_exit=first.policy.group_exit,
        max_drop=settings.goal.max_drop,
        drop_measure="agreement" if settings.agreement else "accuracy",
        trials=(*kept, *(trial for trial in trials.values() if not trial.kept)),
        segments=_segments(old, finished, first.policy.thresholds),
        costs=first.costs,
        tune=finished.splits.get("tune"),
        test=finished.splits.get("test"),
        warnings=finished.warnings,
        ranks=report.ranks,
    )


def _segments(old: BuildReport, finished: Finished, thresholds: tuple[float | None, ...]) -> tuple[SegmentReport, ...]:
    """One for each exit that stays."""
    before = {segment.exit: segment for segment in old.segments}
    manifest = finished.new.manifest
    return tuple(
        replace(
            before[name],
            nodes=entry.nodes,
            macs=entry.macs,
            parameters=entry.parameters,
            threshold=threshold,
        )
        for name, entry, threshold in zip(manifest.exits, manifest.segments, (*thresholds, None), strict=True)
    )
