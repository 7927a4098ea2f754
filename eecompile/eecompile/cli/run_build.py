"""Build a bundle, tune it, build engines for a card that is here, and show what came out.

With `--fold` the network is folded before, and built as it was, too, so that both can be compared.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import typer

from eecompile.build import BuildSettings, build
from eecompile.build.fold_comparison import compare_folding
from eecompile.build.fold_flags import flags_of_build
from eecompile.build.fold_model import fold_model
from eecompile.build.fold_settings import FoldSettings
from eecompile.build.report import BuildReport
from eecompile.cli.engines_summary import engines_summary
from eecompile.cli.fold_comparison import comparison_text
from eecompile.cli.fold_summary import training_text
from eecompile.cli.stages import ConsoleStages
from eecompile.cli.summary import summary_text
from eecompile.cli.tune_summary import tune_summary
from eecompile.device_engines.after_build import engines_after_build
from eecompile.tune import TuneSettings
from eecompile.tune.after_build import bundle_of, tune_after_build
from eecompile.tune.pick import refuse_when_folded
from eengines.errors import UserError
from eerun.bundle import open_bundle
from eerun.cli.output_file import check_writable, replace_file

__all__ = ["run_build"]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A network to build, and how."""

    model: Path
    settings: BuildSettings
    name: str | None = None


def run_build(
    model: Path,
    settings: BuildSettings,
    tuning: TuneSettings | None,
    folding: FoldSettings,
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
        folding: whether it is folded before.
        json_file: where the summary is written, of the bundle as it is after tuning; None: nowhere.
        local: whether the user asked for engines of the card that is here.
        verbose: explain decisions.

    Raises:
        EEError: something failed, as it says.
    """
    if json_file is not None:
        check_writable(json_file, flag="--json")
    jobs = _jobs(model, settings, tuning, folding, verbose=verbose)
    reports = [_build(job, tuning, verbose=verbose) for job in jobs]
    report = reports[0]
    comparison = compare_folding(*reports) if len(reports) > 1 else None
    if comparison is not None:
        typer.echo(comparison_text(comparison, bundle=str(bundle_of(jobs[0].model, jobs[0].settings))))
        report = replace(report, folding=comparison)
    if json_file is not None:
        _write_summary(report, json_file)
    for job in jobs if settings.gpus else ():
        _build_engines(job, local=local, verbose=verbose)


def _jobs(
    model: Path, settings: BuildSettings, tuning: TuneSettings | None, folding: FoldSettings, *, verbose: bool
) -> list[_Job]:
    """What to build: the model; or the folded one, and behind it that before folding."""
    if folding.fold is None:
        return [_Job(model=model, settings=settings)]
    if tuning is not None and tuning.split_heads:
        problem = "got it together with --fold: the images of a group share their heads"
        raise UserError("--split-heads", problem, "Leave one of them out")
    if tuning is not None:
        refuse_when_folded(folding.fold, tuning)
    with flags_of_build(), ConsoleStages(verbose=verbose) as stages:
        made = fold_model(model, settings, folding, stages)
    if made.training is not None:
        typer.echo(training_text(made.training, fold=folding.fold, place=str(made.model)))
    jobs = [_Job(model=made.model, settings=made.settings, name=model.name)]  # not its name in the cache
    return jobs if made.unfolded is None else [*jobs, _Job(model=model, settings=made.unfolded)]


def _build(job: _Job, tuning: TuneSettings | None, *, verbose: bool) -> BuildReport:
    """Build and tune one bundle, and show it."""
    with ConsoleStages(verbose=verbose) as stages:
        report = build(job.model, job.settings, stages, name=job.name)
    typer.echo(summary_text(report))
    if tuning is None:
        return report
    with ConsoleStages(verbose=verbose) as stages:
        tuned = tune_after_build(job.model, job.settings, tuning, stages)
    typer.echo(tune_summary(tuned))
    return _stored(bundle_of(job.model, job.settings))


def _build_engines(job: _Job, *, local: bool, verbose: bool) -> None:
    """Build engines for a card that is here, or say how to."""
    with ConsoleStages(verbose=verbose) as stages:
        engines = engines_after_build(job.model, job.settings, stages, needed=local)
    if engines is not None:
        typer.echo(engines_summary(engines))
    else:
        bundle = bundle_of(job.model, job.settings)
        typer.echo(f"Engines: run `eecompile engines {bundle.name}` where the card is")


def _stored(path: Path) -> BuildReport:
    """The summary that a bundle holds."""
    bundle = open_bundle(path)
    return bundle.read_json(bundle.manifest.report, BuildReport)


def _write_summary(report: BuildReport, file: Path) -> None:
    with replace_file(file, flag="--json") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
