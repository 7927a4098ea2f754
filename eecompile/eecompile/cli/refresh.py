"""`eecompile refresh`."""

from pathlib import Path
from typing import Annotated

import typer

from eecompile.cli.extra import require_compile_extra
from eecompile.cli.values import parse_fraction

__all__ = ["refresh_command"]

HEADS, TRAINING = "Heads and exits", "Training"
MIB = 2**20
AUTO = "auto"


def refresh_command(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle; its model has heads of eecompile attach.")],
    data: Annotated[
        str,
        typer.Option(
            help="Recent samples: .npz file, image folder or package.module:function; cut into train, tune and test."
        ),
    ],
    model: Annotated[
        Path | None, typer.Option(help="Checkpoint of the bundle. Default: beside it, under the name of its source.")
    ] = None,
    factory: Annotated[str | None, typer.Option(help="package.module:function that makes the trunk.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Checkpoint to write. Default: in the place of the old one.")
    ] = None,
    min_gain: Annotated[
        str,
        typer.Option(
            help="A head keeps its new weights if it answers this much more of the held-out samples right.",
            rich_help_panel=HEADS,
        ),
    ] = "0.1%",
    max_drop: Annotated[
        str | None,
        typer.Option(
            help="Allowed drop, relative to the final exit. Default: that of the build.", rich_help_panel=HEADS
        ),
    ] = None,
    agreement: Annotated[
        bool,
        typer.Option(
            "--agreement",
            help="Let the drop mean agreement with the final exit; so it does without labels.",
            rich_help_panel=HEADS,
        ),
    ] = False,
    target: Annotated[
        str, typer.Option(help="What heads learn: the trunk's answers, or labels.", rich_help_panel=TRAINING)
    ] = "trunk",
    alpha: Annotated[
        float, typer.Option(help="Share of distillation in the loss, 0 to 1.", rich_help_panel=TRAINING)
    ] = 0.5,
    temperature: Annotated[float, typer.Option(help="Of distillation.", rich_help_panel=TRAINING)] = 6.0,
    epochs: Annotated[int, typer.Option(help="Passes over the training samples.", rich_help_panel=TRAINING)] = 10,
    train_batch: Annotated[int, typer.Option(help="Samples a step.", rich_help_panel=TRAINING)] = 128,
    learning_rate: Annotated[
        float, typer.Option(help="At the peak; heads that do not bear it take less.", rich_help_panel=TRAINING)
    ] = 0.05,
    weight_decay: Annotated[
        float, typer.Option(help="On weights, not on biases and norms.", rich_help_panel=TRAINING)
    ] = 5e-4,
    augmentation: Annotated[
        str, typer.Option(help="none; or crop-flip: shift and mirror images.", rich_help_panel=TRAINING)
    ] = "none",
    views: Annotated[int, typer.Option(help="Augmented copies of each sample.", rich_help_panel=TRAINING)] = 1,
    cache_size: Annotated[
        int,
        typer.Option(
            metavar="MIB", help="Most MiB of features on disk; the rest is computed anew.", rich_help_panel=TRAINING
        ),
    ] = 4096,
    validation: Annotated[
        float,
        typer.Option(
            help="Share of the training samples held out: they choose the best epoch, and decide who keeps its new "
            "weights.",
            rich_help_panel=TRAINING,
        ),
    ] = 0.2,
    train_device: Annotated[
        str, typer.Option(help="auto: a GPU where torch has one; or cpu, cuda.", rich_help_panel=TRAINING)
    ] = AUTO,
    train_precision: Annotated[
        str,
        typer.Option(
            help="auto: bfloat16 where the device has units for it; or float32, bfloat16, float16.",
            rich_help_panel=TRAINING,
        ),
    ] = AUTO,
    seed: Annotated[
        int,
        typer.Option(
            help="Of the cut, order and augmentation; keep it for the next refresh.", rich_help_panel=TRAINING
        ),
    ] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what was done as JSON.")] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Explain decisions.")] = False,
) -> None:
    """Let the heads of a bundle learn from recent samples, and replace only the segments that change.

    The trunk stays as it is. Thresholds are tuned on recent samples, too. Checkpoint and bundle change in one step, or
    not at all. A service goes on with the old heads until it loads the bundle again.
    """
    require_compile_extra()
    import msgspec

    from eecompile.cli.refresh_summary import refresh_summary
    from eecompile.cli.stages import ConsoleStages
    from eecompile.refresh import RefreshSettings, refresh
    from eecompile.train.settings import TrainSettings
    from eerun.cli.output_file import check_writable, replace_file

    settings = RefreshSettings(
        data=data,
        model=model,
        factory=factory,
        output=output,
        min_gain=parse_fraction("--min-gain", min_gain),
        max_drop=None if max_drop is None else parse_fraction("--max-drop", max_drop),
        agreement=agreement,
        train=TrainSettings(
            target=target,
            alpha=alpha,
            temperature=temperature,
            epochs=epochs,
            batch=train_batch,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            augmentation=augmentation,
            views=views,
            cache_bytes=cache_size * MIB,
            validation=validation,
            device=train_device,
            precision=train_precision,
            seed=seed,
        ),
    )
    if json_file is not None:
        check_writable(json_file, flag="--json")
    with ConsoleStages(verbose=verbose) as stages:
        report = refresh(bundle, settings, stages)
    if json_file is not None:
        with replace_file(json_file, flag="--json") as file:
            file.write(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    typer.echo(refresh_summary(report))
