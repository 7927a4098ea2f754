"""`eecompile export`."""

from pathlib import Path
from typing import Annotated

import typer

from eecompile.export.settings import ExportTarget, InstanceKind

__all__ = ["export_command"]


def export_command(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    out: Annotated[Path, typer.Argument(help="Model repository of the server; made if it is not there.")],
    to: Annotated[
        ExportTarget, typer.Option(help="The server: triton writes OUT/NAME/config.pbtxt and OUT/NAME/VERSION/.")
    ] = ExportTarget.TRITON,
    name: Annotated[str | None, typer.Option(help="Name of the model there. Default: the bundle's.")] = None,
    version: Annotated[int, typer.Option(help="Version of the model there.")] = 1,
    max_batch: Annotated[
        int | None,
        typer.Option(help="Most samples of a request, and of requests joined. Default: what the bundle was built for."),
    ] = None,
    max_queue_delay_us: Annotated[
        int, typer.Option(help="How long the server may hold a request to join others to it, in microseconds.")
    ] = 0,
    instance_kind: Annotated[
        InstanceKind, typer.Option(help="What the model runs on: one instance on the CPU, or one for each GPU.")
    ] = InstanceKind.CPU,
    engine: Annotated[
        str, typer.Option(help="Engine to run it there; auto: the fastest of the bundle that can be used there.")
    ] = "auto",
    precision: Annotated[str, typer.Option(help="Precision of its graphs; auto: that of the engine.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads of the engine there. Default: one a core.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace this version, and the model's configuration, if they are there.")
    ] = False,
) -> None:
    """Write a bundle as a model of another server, with everything that it needs but eerun itself.

    For Triton Inference Server a Python model runs the whole chain in one instance. Triton's Python needs eecompile
    with its extra cpu; see docs/scaling.md. The bundle is loaded once here, to see that it runs.
    """
    from eecompile.export import ExportSettings, export_bundle

    settings = ExportSettings(
        to=to,
        name=name,
        version=version,
        max_batch=max_batch,
        max_queue_delay_us=max_queue_delay_us,
        instance_kind=instance_kind,
        engine=engine,
        precision=precision,
        threads=threads,
        force=force,
    )
    model = export_bundle(bundle, settings, out)
    chosen = ", ".join(f"{name} {value}" for name, value in model.parameters.items())
    typer.echo(f"{out / model.name}: version {model.version}, {chosen}, batches up to {model.max_batch}")
