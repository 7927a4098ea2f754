"""`eecompile attach`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eecompile.cli.extra import require_compile_extra
from eecompile.cli.values import parse_arguments, parse_fraction, parse_list
from eecompile.heads import KINDS

if TYPE_CHECKING:
    from eecompile.attach.settings import AttachSettings

__all__ = ["attach_command"]

MODEL, DATA, HEADS, TRAINING = "Model", "Raw input", "Heads", "Training"
MIB = 2**20
AUTO = "auto"


def attach_command(
    backbone: Annotated[
        str,
        typer.Argument(
            help="Checkpoint, weights with --arch or --factory, with --trust a pickled module, or zoo:NAME."
        ),
    ],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Checkpoint to write.")] = None,
    at: Annotated[
        str,
        typer.Option(help="Modules to tap: a,b,c. auto: after every block or layer group.", rich_help_panel=HEADS),
    ] = AUTO,
    heads: Annotated[
        str | None,
        typer.Option(
            help=f"Kinds of heads to train on every tap: {', '.join(KINDS)}; with options: pool(size=2048,hidden=256).",
            rich_help_panel=HEADS,
        ),
    ] = None,
    list_taps: Annotated[
        bool,
        typer.Option(
            "--list-taps",
            help="Only show the taps with shapes and costs; with -v all modules that can be.",
            rich_help_panel=HEADS,
        ),
    ] = False,
    own_head: Annotated[
        str | None,
        typer.Option(
            help="Module that makes the answer, for heads that copy it. Default: found.", rich_help_panel=HEADS
        ),
    ] = None,
    head_tolerance: Annotated[
        str,
        typer.Option(
            help="A tap's exit is its cheapest head that agrees at most this much less than its best.",
            rich_help_panel=HEADS,
        ),
    ] = "0.5%",
    prune: Annotated[
        bool, typer.Option("--prune", help="Leave out heads that are no exits.", rich_help_panel=HEADS)
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            help=".npz file, image folder or package.module:function, with training samples; default: the .npz of "
            "BACKBONE's name beside it."
        ),
    ] = None,
    factory: Annotated[
        str | None, typer.Option(help="package.module:function that makes the network.", rich_help_panel=MODEL)
    ] = None,
    arch: Annotated[
        str | None, typer.Option(help="Network of the zoo, for a file of weights alone.", rich_help_panel=MODEL)
    ] = None,
    arch_args: Annotated[
        str | None,
        typer.Option(help="Arguments of --arch, --factory or zoo:NAME: classes=10,stem=cifar.", rich_help_panel=MODEL),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights of zoo:NAME.", rich_help_panel=MODEL)] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Load a pickled module, which can run code.", rich_help_panel=MODEL)
    ] = False,
    input_shape: Annotated[
        str | None,
        typer.Option(help="Shape of a sample, for other backbones than checkpoints: 3,32,32.", rich_help_panel=DATA),
    ] = None,
    input_dtype: Annotated[
        str | None, typer.Option(help="dtype of raw samples, as above: uint8.", rich_help_panel=DATA)
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="NCHW or NHWC: how raw samples are stored.", rich_help_panel=DATA)
    ] = None,
    scale: Annotated[
        float | None, typer.Option(help="Factor on raw samples, such as 0.00392157.", rich_help_panel=DATA)
    ] = None,
    mean: Annotated[
        str | None, typer.Option(help="Subtracted after scaling: one number or one a channel.", rich_help_panel=DATA)
    ] = None,
    std: Annotated[
        str | None, typer.Option(help="Divisor after that: one number or one a channel.", rich_help_panel=DATA)
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            help="frozen: the trunk stays bit for bit; joint: trunk and heads learn.", rich_help_panel=TRAINING
        ),
    ] = "frozen",
    target: Annotated[
        str, typer.Option(help="What heads learn: the trunk's answers, or labels.", rich_help_panel=TRAINING)
    ] = "trunk",
    alpha: Annotated[
        float, typer.Option(help="Share of distillation in the loss, 0 to 1.", rich_help_panel=TRAINING)
    ] = 0.5,
    temperature: Annotated[float, typer.Option(help="Of distillation.", rich_help_panel=TRAINING)] = 6.0,
    loss_weights: Annotated[
        str, typer.Option(help="Of the exits in joint mode: eenet, equal or pame.", rich_help_panel=TRAINING)
    ] = "eenet",
    epochs: Annotated[int, typer.Option(help="Passes over the training samples.", rich_help_panel=TRAINING)] = 10,
    train_batch: Annotated[int, typer.Option(help="Samples a step.", rich_help_panel=TRAINING)] = 128,
    learning_rate: Annotated[
        float,
        typer.Option(help="At the peak; heads that do not bear it take less.", rich_help_panel=TRAINING),
    ] = 0.05,
    weight_decay: Annotated[
        float, typer.Option(help="On weights, not on biases and norms.", rich_help_panel=TRAINING)
    ] = 5e-4,
    augmentation: Annotated[
        str, typer.Option(help="none; or crop-flip: shift and mirror images.", rich_help_panel=TRAINING)
    ] = "none",
    views: Annotated[
        int, typer.Option(help="Augmented copies of each sample in frozen mode.", rich_help_panel=TRAINING)
    ] = 1,
    cache_size: Annotated[
        int,
        typer.Option(
            metavar="MIB", help="Most MiB of features on disk; the rest is computed anew.", rich_help_panel=TRAINING
        ),
    ] = 4096,
    validation: Annotated[
        float,
        typer.Option(help="Share of the training samples held out to choose the best epoch.", rich_help_panel=TRAINING),
    ] = 0.1,
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
        int, typer.Option(help="Of weights, order, augmentation and splits.", rich_help_panel=TRAINING)
    ] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted training.", rich_help_panel=TRAINING)
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what was found as JSON.")] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Explain decisions.")] = False,
) -> None:
    """Attach heads to a trained network, train them, and write a multi-exit checkpoint."""
    require_compile_extra()
    from eecompile.attach.settings import AttachSettings
    from eecompile.train.settings import TrainSettings

    settings = AttachSettings(
        output=output,
        at=None if at == AUTO else parse_list("--at", at, str),
        heads=heads,
        data=data,
        factory=factory,
        arch=arch,
        arch_kwargs=parse_arguments("--arch-args", arch_args),
        weights=weights,
        trust=trust,
        input_shape=parse_list("--input-shape", input_shape, int),
        input_dtype=input_dtype,
        layout=layout,
        scale=scale,
        mean=parse_list("--mean", mean, float),
        std=parse_list("--std", std, float),
        own_head=own_head,
        head_tolerance=parse_fraction("--head-tolerance", head_tolerance),
        prune=prune,
        resume=resume,
        train=TrainSettings(
            mode=mode,
            target=target,
            alpha=alpha,
            temperature=temperature,
            loss_weights=loss_weights,
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
    if list_taps:
        _list_taps(backbone, settings, json_file, every=verbose)
    else:
        _attach(backbone, settings, json_file, verbose=verbose)


def _list_taps(backbone: str, settings: "AttachSettings", json_file: Path | None, *, every: bool) -> None:
    from eecompile.attach.attach import watch_backbone
    from eecompile.attach.backbone import load_backbone
    from eecompile.attach.list_taps import list_taps
    from eecompile.attach.taps_table import taps_table

    loaded = load_backbone(backbone, settings)
    watched = watch_backbone(loaded, where=backbone)
    listed = list_taps(loaded, watched, names=settings.at, own_head=settings.own_head, every=every)
    _write_json(json_file, listed)
    typer.echo("\n".join(taps_table(listed)))


def _attach(backbone: str, settings: "AttachSettings", json_file: Path | None, *, verbose: bool) -> None:
    from eecompile.attach.attach import attach
    from eecompile.cli.attach_summary import attach_summary
    from eecompile.cli.stages import ConsoleStages
    from eerun.cli.errors import INTERRUPTED
    from eerun.cli.output_file import check_writable

    if json_file is not None:
        check_writable(json_file, flag="--json")
    with ConsoleStages(verbose=verbose) as stages:
        report = attach(backbone, settings, stages)
    _write_json(json_file, report)
    typer.echo(attach_summary(report))
    if report.train.interrupted:
        raise typer.Exit(INTERRUPTED)


def _write_json(json_file: Path | None, content: object) -> None:
    import msgspec

    from eerun.cli.output_file import replace_file

    if json_file is not None:
        with replace_file(json_file, flag="--json") as file:
            file.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
