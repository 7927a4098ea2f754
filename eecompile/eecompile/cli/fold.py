"""`eecompile fold`."""

from pathlib import Path
from typing import Annotated

import typer

from eecompile.cli.extra import require_compile_extra

__all__ = ["fold_command"]

FOLDING, TRAINING = "Folding", "Training"
MIB = 2**20
AUTO = "auto"


def fold_command(
    model: Annotated[Path, typer.Argument(help="Checkpoint of a network that classifies images; it is the teacher.")],
    fold: Annotated[int, typer.Option(help="Images that share one pass: 2, 3, 4, 8.", rich_help_panel=FOLDING)],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Checkpoint to write; default: MODEL-foldN.pt beside MODEL.")
    ] = None,
    fold_widths: Annotated[
        str,
        typer.Option(
            help="multiple-of-8: widths times the root of --fold, rounded up; exact: rounded down, as published.",
            rich_help_panel=FOLDING,
        ),
    ] = "multiple-of-8",
    data: Annotated[
        str | None,
        typer.Option(
            help=".npz file, image folder or package.module:function, with training samples; default: the .npz of "
            "MODEL's name beside it."
        ),
    ] = None,
    factory: Annotated[
        str | None, typer.Option(help="package.module:function that makes the network.", rich_help_panel=FOLDING)
    ] = None,
    distillation: Annotated[
        str,
        typer.Option(
            help="From the same exit of MODEL. mse: of the logits; kl: of softened answers.", rich_help_panel=TRAINING
        ),
    ] = "mse",
    temperature: Annotated[float, typer.Option(help="Of --distillation kl.", rich_help_panel=TRAINING)] = 4.0,
    alpha: Annotated[
        float,
        typer.Option(
            help="Share of distillation in the loss where there are labels, 0 to 1.", rich_help_panel=TRAINING
        ),
    ] = 0.5,
    loss_weights: Annotated[
        str, typer.Option(help="Of the exits: eenet, equal or pame.", rich_help_panel=TRAINING)
    ] = "pame",
    separate: Annotated[
        float,
        typer.Option(
            help="Share of the epochs, from the first on, in which the images of a row have channels of their own and "
            "equal weights; their weights are only a start. 0: start from random weights; 1: never let images meet.",
            rich_help_panel=TRAINING,
        ),
    ] = 0.75,
    curriculum: Annotated[
        bool,
        typer.Option("--curriculum", help="Start with some classes, add others later.", rich_help_panel=TRAINING),
    ] = False,
    curriculum_epochs: Annotated[
        int | None,
        typer.Option(
            help="Epochs between these; default: so that the second half of the epochs has all classes.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Passes over the training images; default: 20, or as many more as make 600 steps.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    train_batch: Annotated[
        int | None, typer.Option(help="Images a step; default: 32, or twice --fold.", rich_help_panel=TRAINING)
    ] = None,
    learning_rate: Annotated[float, typer.Option(help="At the peak.", rich_help_panel=TRAINING)] = 0.1,
    weight_decay: Annotated[
        float, typer.Option(help="On weights, not on biases and norms.", rich_help_panel=TRAINING)
    ] = 5e-4,
    augmentation: Annotated[
        str, typer.Option(help="none; or crop-flip: shift and mirror images.", rich_help_panel=TRAINING)
    ] = "none",
    cache_size: Annotated[
        int,
        typer.Option(
            metavar="MIB",
            help="Most MiB of MODEL's logits on disk; more are computed in every step.",
            rich_help_panel=TRAINING,
        ),
    ] = 4096,
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
        int, typer.Option(help="Of weights, partners, augmentation and splits.", rich_help_panel=TRAINING)
    ] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted training.", rich_help_panel=TRAINING)
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what was measured as JSON.")] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Explain decisions.")] = False,
) -> None:
    """Fold a trained network, so that several images share one pass, and train the result."""
    require_compile_extra()
    import msgspec

    from eecompile.cli.fold_summary import fold_summary
    from eecompile.cli.stages import ConsoleStages
    from eecompile.fold_training.fold import fold as fold_and_train
    from eecompile.fold_training.settings import FoldTrainSettings
    from eerun.cli.errors import INTERRUPTED
    from eerun.cli.output_file import check_writable, replace_file

    settings = FoldTrainSettings(
        factor=fold,
        widths=fold_widths,
        data=data,
        factory=factory,
        distillation=distillation,
        temperature=temperature,
        alpha=alpha,
        loss_weights=loss_weights,
        separate=separate,
        curriculum=curriculum,
        curriculum_epochs=curriculum_epochs,
        epochs=epochs,
        batch=train_batch,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        augmentation=augmentation,
        cache_bytes=cache_size * MIB,
        device=train_device,
        precision=train_precision,
        seed=seed,
    )
    if json_file is not None:
        check_writable(json_file, flag="--json")
    written = model.with_name(f"{model.stem}-fold{fold}.pt") if output is None else output
    with ConsoleStages(verbose=verbose) as stages:
        report = fold_and_train(model, written, settings, stages, resume=resume)
    if json_file is not None:
        with replace_file(json_file, flag="--json") as file:
            file.write(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    typer.echo(fold_summary(report))
    if report.interrupted:
        raise typer.Exit(INTERRUPTED)
