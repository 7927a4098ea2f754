"""What was measured of a bundle last: by its build, or by a refresh after it."""

from dataclasses import replace

from eecompile.build.report import BuildReport, TrialReport
from eerun.bundle import REFRESH_NAME, Bundle

__all__ = ["measured_last", "refresh_lines"]


def measured_last(bundle: Bundle) -> BuildReport:
    """Return the report of the build, where a refresh came later with its figures, on the recent samples.

    What a refresh could not run has no figures any more: those of the build were of other data.

    Raises:
        BundleError: a report is damaged.
    """
    report = bundle.read_json(bundle.manifest.report, BuildReport)
    if REFRESH_NAME not in bundle.manifest.files:
        return report
    from eecompile.refresh.report import RefreshReport

    ways = {way.name: way for way in bundle.read_json(REFRESH_NAME, RefreshReport).configurations}
    chosen = ways.get(bundle.manifest.chosen.name)

    def latest(trial: TrialReport) -> TrialReport:
        way = ways.get(f"{trial.engine}-{trial.precision}")
        if way is None:
            return replace(trial, expected_ms=None, tune=None, test=None)
        return replace(trial, expected_ms=way.tune.expected_ms, tune=way.tune, test=way.test)

    return replace(
        report,
        trials=tuple(latest(trial) for trial in report.trials),
        tune=None if chosen is None else chosen.tune,
        test=None if chosen is None else chosen.test,
        ranks=(),
    )


def refresh_lines(bundle: Bundle) -> list[str]:
    """Say which heads the last refresh has replaced; nothing if there was none."""
    if REFRESH_NAME not in bundle.manifest.files:
        return []
    from eecompile.refresh.report import RefreshReport

    report = bundle.read_json(REFRESH_NAME, RefreshReport)
    names = [head.name for head in report.heads if head.replaced]
    what = f"new weights in {', '.join(names)}" if names else "the heads stayed, other thresholds"
    return [f"Refreshed: {what}; below, tune and test are the recent samples"]
