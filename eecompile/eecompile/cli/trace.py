"""`eecompile trace`."""

from pathlib import Path
from typing import Annotated

import typer

from eecompile.cli.extra import require_compile_extra

__all__ = ["trace_command"]

AUTO = "auto"


def trace_command(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="Data of the build: .npz file, image folder or package.module:function. Default: the .npz of the "
            "model's or the bundle's name beside the bundle."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder to write. Default: BUNDLE's name with .trace.")
    ] = None,
    engine: Annotated[str, typer.Option(help="Configuration to record: its engine, or auto for the fastest.")] = AUTO,
    precision: Annotated[str, typer.Option(help="Its precision, or auto.")] = AUTO,
    threads: Annotated[int | None, typer.Option(help="Threads of the engine. Default: one a core.")] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Explain decisions.")] = False,
) -> None:
    """Record what every exit says about every sample, with exits off, for `eecompile tune --trace`.

    The splits tune, certify and test are recorded: logits of all exits, labels, and the answers of float32.
    """
    require_compile_extra()
    from eecompile.cli.stages import ConsoleStages
    from eecompile.tune.trace_bundle import TraceSettings, trace_bundle

    settings = TraceSettings(data=data, output=output, engine=engine, precision=precision, threads=threads)
    with ConsoleStages(verbose=verbose) as stages:
        recording, folder, written = trace_bundle(bundle, settings, stages)
    for name, split in recording.splits.items():
        labels = "labels" if split.trace.labels is not None else "no labels"
        groups = "" if split.trace.fold == 1 else f" in groups of {split.trace.fold}"
        typer.echo(f"{name}: {split.trace.samples} samples{groups}, {split.trace.exits} exits, {labels}")
    typer.echo(f"PASSED | {folder} | {recording.configuration}, {written / 2**20:.1f} MiB")
