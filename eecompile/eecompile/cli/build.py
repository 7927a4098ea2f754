"""`eecompile build`."""

from pathlib import Path
from typing import Annotated

import typer

from eecompile.cli.extra import require_compile_extra
from eecompile.cli.values import parse_fraction, parse_list, parse_threshold
from eengines.backends import BACKENDS
from eerun.folding.group_exit import GroupExit

__all__ = ["build_command"]

MODEL, DATA, TUNING, PRECISION, ENGINE = "Model", "Raw input", "Exits", "Precision", "Engine"
FOLDING = "Folding"


def build_command(
    model: Annotated[
        Path, typer.Argument(help="Checkpoint (.pt), multi-output .onnx, or with --trust a .pt2 or pickled module.")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the bundle; default: MODEL's name with .ee.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help=".npz file, image folder or package.module:function; default: the .npz of MODEL's name beside it."
        ),
    ] = None,
    factory: Annotated[
        str | None,
        typer.Option(help="package.module:function that makes the network.", rich_help_panel=MODEL),
    ] = None,
    exits: Annotated[
        str | None,
        typer.Option(help="ONNX outputs that are exits, shallow to deep: a,b,c. Default: all.", rich_help_panel=MODEL),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Load formats that can run code.", rich_help_panel=MODEL)
    ] = False,
    input_shape: Annotated[
        str | None, typer.Option(help="Shape of a sample, for pickled modules: 3,32,32.", rich_help_panel=DATA)
    ] = None,
    input_dtype: Annotated[
        str | None,
        typer.Option(help="dtype of raw samples, for other formats than checkpoints: uint8.", rich_help_panel=DATA),
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
    sequence_max: Annotated[
        int | None,
        typer.Option(help="Greatest length along the second symbolic axis of an ONNX graph.", rich_help_panel=DATA),
    ] = None,
    policy: Annotated[
        str,
        typer.Option(
            help="max-probability, margin, entropy or patience; or one of those that `eecompile tune` fits, several "
            "separated by commas, or all.",
            rich_help_panel=TUNING,
        ),
    ] = "max-probability",
    max_drop: Annotated[
        str, typer.Option(help="Allowed drop, relative to the final exit's accuracy.", rich_help_panel=TUNING)
    ] = "1%",
    agreement: Annotated[
        bool,
        typer.Option(
            "--agreement",
            help="Let --max-drop mean agreement with the final exit; needs no labels.",
            rich_help_panel=TUNING,
        ),
    ] = False,
    select_exits: Annotated[
        bool,
        typer.Option(
            "--select-exits", help="Drop exits that do not pay; their segments merge.", rich_help_panel=TUNING
        ),
    ] = False,
    split_heads: Annotated[
        bool | None,
        typer.Option(
            "--split-heads/--no-split-heads",
            help="Make heads graphs of their own. Default: where the policy skips exits.",
            rich_help_panel=TUNING,
        ),
    ] = None,
    certify: Annotated[
        str | None, typer.Option(help="Promise that the drop is at most this, e.g. 1%.", rich_help_panel=TUNING)
    ] = None,
    confidence: Annotated[str, typer.Option(help="Of the promise.", rich_help_panel=TUNING)] = "95%",
    certify_method: Annotated[
        str, typer.Option(help="betting or hoeffding-bentkus.", rich_help_panel=TUNING)
    ] = "betting",
    thresholds: Annotated[
        str | None,
        typer.Option(help="By hand, one for each exit but the last: 0.9,never.", rich_help_panel=TUNING),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the data splits.", rich_help_panel=TUNING)] = 0,
    fold: Annotated[
        int | None,
        typer.Option(
            help="Let so many images share one pass: the network is folded and trained before, or was (kept by "
            "content), and the bundle of the network before folding is built beside, as NAME-unfolded.ee.",
            rich_help_panel=FOLDING,
        ),
    ] = None,
    fold_widths: Annotated[
        str | None,
        typer.Option(
            help="Widths of hidden layers times the root of --fold: rounded up to a multiple-of-8 (default), or exact, "
            "rounded down as published.",
            rich_help_panel=FOLDING,
        ),
    ] = None,
    fold_exit: Annotated[
        GroupExit,
        typer.Option(help="How many images of a group must have passed for it to leave.", rich_help_panel=FOLDING),
    ] = GroupExit.ALL,
    unfolded: Annotated[
        bool,
        typer.Option(
            "--unfolded/--no-unfolded", help="Build the network before folding, too.", rich_help_panel=FOLDING
        ),
    ] = True,
    distillation: Annotated[
        str,
        typer.Option(help="From the network before folding: mse of the logits, or kl.", rich_help_panel=FOLDING),
    ] = "mse",
    curriculum: Annotated[
        bool,
        typer.Option("--curriculum", help="Start with some classes and add others later.", rich_help_panel=FOLDING),
    ] = False,
    fold_epochs: Annotated[
        int | None,
        typer.Option(
            help="Passes over the training images; default: as in `eecompile fold`, which has all settings of it.",
            rich_help_panel=FOLDING,
        ),
    ] = None,
    fold_augmentation: Annotated[
        str, typer.Option(help="Of the training images: none or crop-flip.", rich_help_panel=FOLDING)
    ] = "none",
    max_batch: Annotated[
        int, typer.Option(help="Largest batch that runs together, in samples.", rich_help_panel=ENGINE)
    ] = 32,
    buckets: Annotated[
        str | None,
        typer.Option(help="Batch sizes to prepare; default: powers of two to --max-batch.", rich_help_panel=ENGINE),
    ] = None,
    lengths: Annotated[
        str | None,
        typer.Option(
            help="Sequence lengths to prepare: 16,32,64; default: powers of two from 16 to the greatest.",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="auto: the fastest that keeps --max-quant-drop; or float32, float16, bfloat16, int8.",
            rich_help_panel=PRECISION,
        ),
    ] = "auto",
    int8: Annotated[
        bool, typer.Option("--int8", help="Short for --precision int8.", rich_help_panel=PRECISION)
    ] = False,
    fp16: Annotated[
        bool,
        typer.Option(
            "--fp16",
            help="Short for --precision float16; with --int8, what is not INT8 is float16 (GPU targets).",
            rich_help_panel=PRECISION,
        ),
    ] = False,
    target: Annotated[
        str,
        typer.Option(
            help="Devices to lower graphs for besides this machine's CPU: local, p100, v100, t4, a100 …; several as "
            "t4,v100. Engines are built as well for a card that is here.",
            rich_help_panel=PRECISION,
        ),
    ] = "cpu",
    max_quant_drop: Annotated[
        str,
        typer.Option(help="Share of answers that may differ from float32.", rich_help_panel=PRECISION),
    ] = "1%",
    calibrator: Annotated[
        str,
        typer.Option(help="INT8 ranges: min-max, percentile, entropy or mse.", rich_help_panel=PRECISION),
    ] = "mse",
    calibrate_on: Annotated[
        str,
        typer.Option(help="all samples, or survivors: each segment on those that reach it.", rich_help_panel=PRECISION),
    ] = "all",
    keep_float: Annotated[
        str | None,
        typer.Option(
            help="Nodes, or exits for their whole heads, that stay in float: a,b,c.", rich_help_panel=PRECISION
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(help=f"auto: the fastest; or {', '.join(BACKENDS)}.", rich_help_panel=ENGINE),
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="Threads of the engine; default: one a core.", rich_help_panel=ENGINE)
    ] = None,
    measure_seconds: Annotated[
        float,
        typer.Option(help="How long to measure each engine and precision, in seconds.", rich_help_panel=ENGINE),
    ] = 2.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the summary as JSON.")] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Explain decisions.")] = False,
) -> None:
    """Build a bundle from a trained multi-exit network."""
    require_compile_extra()
    from eecompile.build import BuildSettings
    from eecompile.build.fold_settings import FoldSettings
    from eecompile.cli.run_build import run_build
    from eecompile.device_engines.card import local_target
    from eecompile.device_engines.settings import LOCAL
    from eecompile.tune.after_build import AfterBuild, built_policy, settings_after_build

    wish = AfterBuild(
        policies=parse_list("--policy", policy, str) or (),
        select_exits=select_exits,
        split_heads=split_heads,
        certify=None if certify is None else parse_fraction("--certify", certify),
        confidence=parse_fraction("--confidence", confidence),
        certify_method=certify_method,
    )
    settings = BuildSettings(
        output=output,
        data=data,
        factory=factory,
        exits=parse_list("--exits", exits, str),
        trust=trust,
        input_shape=parse_list("--input-shape", input_shape, int),
        input_dtype=input_dtype,
        layout=layout,
        scale=scale,
        mean=parse_list("--mean", mean, float),
        std=parse_list("--std", std, float),
        sequence_max=sequence_max,
        policy=built_policy(wish.policies),
        max_drop=parse_fraction("--max-drop", max_drop),
        agreement=agreement,
        thresholds=parse_list("--thresholds", thresholds, parse_threshold),
        max_batch=max_batch,
        buckets=parse_list("--buckets", buckets, int),
        lengths=parse_list("--lengths", lengths, int),
        precision=precision,
        int8=int8,
        fp16=fp16,
        target=",".join(local_target(0) if name.strip() == LOCAL else name for name in target.split(",")),
        max_quant_drop=parse_fraction("--max-quant-drop", max_quant_drop),
        calibrator=calibrator,
        calibrate_on=calibrate_on,
        keep_float=parse_list("--keep-float", keep_float, str),
        engine=engine,
        threads=threads,
        measure_seconds=measure_seconds,
        seed=seed,
        fold_exit=fold_exit,
    )
    folding = FoldSettings(
        fold=fold,
        fold_widths=fold_widths,
        unfolded=unfolded,
        distillation=distillation,
        curriculum=curriculum,
        fold_epochs=fold_epochs,
        fold_augmentation=fold_augmentation,
    )
    tuning = settings_after_build(model, settings, wish)
    run_build(model, settings, tuning, folding, json_file=json_file, local=LOCAL in target, verbose=verbose)
