"""`eecompile plan`."""

from pathlib import Path
from typing import Annotated

import typer

from eecompile.cli.extra import require_compile_extra
from eecompile.cli.values import parse_arguments, parse_list
from eengines.peaks import PEAKS
from eengines.targets import PRECISIONS

__all__ = ["plan_command"]

DEVICE, MODEL = "Device", "Model"


def plan_command(
    model: Annotated[str, typer.Argument(help="Checkpoint, or zoo:NAME; not folded yet.")],
    fold: Annotated[str, typer.Option(help="Fold factors to try.")] = "2,3,4,8",
    fold_widths: Annotated[
        str, typer.Option(help="multiple-of-8: widths times √fold, rounded up; exact: cut off, as published.")
    ] = "multiple-of-8",
    batch: Annotated[int, typer.Option(help="Images that are there at once.")] = 1024,
    target: Annotated[
        str,
        typer.Option(help=f"cpu: this machine, measured; or a card: {', '.join(PEAKS)}.", rich_help_panel=DEVICE),
    ] = "cpu",
    precision: Annotated[
        str,
        typer.Option(
            help=f"auto: float16 on a card, float32 on cpu; or {', '.join(PRECISIONS)}.", rich_help_panel=DEVICE
        ),
    ] = "auto",
    peak_tera_ops: Annotated[
        float | None,
        typer.Option(help="10^12 operations a second of the device, if you know better.", rich_help_panel=DEVICE),
    ] = None,
    memory_gigabytes: Annotated[
        float | None,
        typer.Option(help="10^9 bytes a second of its memory, together with the above.", rich_help_panel=DEVICE),
    ] = None,
    factory: Annotated[
        str | None, typer.Option(help="package.module:function that makes the network.", rich_help_panel=MODEL)
    ] = None,
    arch_args: Annotated[
        str | None, typer.Option(help="Arguments of zoo:NAME: classes=10,stem=cifar.", rich_help_panel=MODEL)
    ] = None,
    input_shape: Annotated[
        str | None,
        typer.Option(help="Of zoo:NAME: channels, height, width of an image: 3,32,32.", rich_help_panel=MODEL),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the plan as JSON.")] = None,
) -> None:
    """Estimate whether folding pays: arithmetic intensity against the device's ridge point, and advice."""
    require_compile_extra()
    import msgspec

    from eecompile.fold_plan import PlanSettings, plan_model, plan_text
    from eerun.cli.output_file import check_writable, replace_file

    settings = PlanSettings(
        fold=parse_list("--fold", fold, int) or (),
        fold_widths=fold_widths,
        target=target,
        batch=batch,
        precision=precision,
        peak_tera_ops=peak_tera_ops,
        memory_gigabytes=memory_gigabytes,
        factory=factory,
        arch_kwargs=parse_arguments("--arch-args", arch_args),
        input_shape=parse_list("--input-shape", input_shape, int),
    )
    if json_file is not None:
        check_writable(json_file, flag="--json")
    plan = plan_model(model, settings)
    if json_file is not None:
        with replace_file(json_file, flag="--json") as file:
            file.write(msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")
    typer.echo(plan_text(plan))
