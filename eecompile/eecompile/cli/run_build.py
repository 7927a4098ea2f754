"""Build a bundle, tune it, build engines for a card that is here, and show what came out."""

from pathlib import Path

import msgspec
import typer

from eecompile.build import BuildSettings, build
from eecompile.build.report import BuildReport
from eecompile.cli.engines_summary import engines_summary
from eecompile.cli.stages import ConsoleStages
from eecompile.cli.summary import summary_text
from eecompile.cli.tune_summary import tune_summary
from eecompile.device_engines.after_build import engines_after_build
from eecompile.tune import TuneSettings
from eecompile.tune.after_build import bundle_of, tune_after_build
from eerun.bundle import open_bundle
from eerun.cli.output_file import check_writable, replace_file

__all__ = ["run_build"]


def run_build(
    model: Path,
    settings: BuildSettings,
    tuning: TuneSettings | None,
    *,
    json_file: Path | None,
    local: bool,
    verbose: bool,
) -> None:
    """Do what `eecompile build` was asked for.

    Args:
        model: what is built.
        settings: of the build.
        tuning: what is tuned right after it; None: nothing.
        json_file: where the summary is written, of the bundle as it is after tuning; None: nowhere.
        local: whether the user asked for engines of the card that is here.
        verbose: explain decisions.

    Raises:
        EEError: something failed, as it says.
    """
    if json_file is not None:
        check_writable(json_file, flag="--json")
    with ConsoleStages(verbose=verbose) as stages:
        report = build(model, settings, stages)
    typer.echo(summary_text(report))
    if tuning is not None:
        with ConsoleStages(verbose=verbose) as stages:
            tuned = tune_after_build(model, settings, tuning, stages)
        typer.echo(tune_summary(tuned))
    if json_file is not None:
        _write_summary(report if tuning is None else _stored(bundle_of(model, settings)), json_file)
    if settings.gpus:
        with ConsoleStages(verbose=verbose) as stages:
            engines = engines_after_build(model, settings, stages, needed=local)
        if engines is not None:
            typer.echo(engines_summary(engines))
        else:
            typer.echo(f"Engines: run `eecompile engines {report.bundle}` where the card is")


def _stored(path: Path) -> BuildReport:
    """The summary that a bundle holds."""
    bundle = open_bundle(path)
    return bundle.read_json(bundle.manifest.report, BuildReport)


def _write_summary(report: BuildReport, file: Path) -> None:
    with replace_file(file, flag="--json") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
