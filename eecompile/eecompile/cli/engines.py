"""`eecompile engines`."""

from pathlib import Path
from typing import Annotated

import typer

from eecompile.cli.values import parse_fraction, parse_list
from eengines.backends import DEVICE_BACKENDS
from eengines.targets import PRECISIONS

__all__ = ["engines_command"]

MIB = 2**20


def engines_command(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle, built with --target.")],
    target: Annotated[
        str,
        typer.Option(help="local: the card that is here; or, built ahead, p100, v100, t4, a100, l4, h100 …"),
    ] = "local",
    engine: Annotated[
        str, typer.Option(help=f"auto: every one that can build here; or {', '.join(DEVICE_BACKENDS)}.")
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help=f"auto: all that the bundle has for the card; or {', '.join(PRECISIONS)}.")
    ] = "auto",
    data: Annotated[
        str | None,
        typer.Option(help="Data of the build, to tune thresholds on the card; default: the .npz beside the bundle."),
    ] = None,
    max_drop: Annotated[
        str, typer.Option(help="Allowed drop, relative to the final exit's accuracy in float32.")
    ] = "1%",
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Let --max-drop mean agreement with the final exit; needs no labels.")
    ] = False,
    max_quant_drop: Annotated[
        str, typer.Option(help="Share of answers that may differ from float32 on the card.")
    ] = "1%",
    buckets: Annotated[
        str | None, typer.Option(help="Batch sizes to prepare, in samples: 1,8,32,128. Default: those of the bundle.")
    ] = None,
    workspace: Annotated[
        int | None, typer.Option(metavar="MIB", help="Most scratch memory of a layer, in MiB. Default: no bound.")
    ] = None,
    optimisation_level: Annotated[
        int | None, typer.Option(help="How long TensorRT searches, 0 to 5. Default: TensorRT's own, 3.")
    ] = None,
    cache_size: Annotated[
        int, typer.Option(metavar="MIB", help="Most MiB of plans kept in the bundle; the least used go first.")
    ] = 16384,
    trust_plans: Annotated[
        bool,
        typer.Option(
            "--trust-plans", help="Take plans in the bundle that another user or machine built; a plan can run code."
        ),
    ] = False,
    device: Annotated[int, typer.Option(help="Number of the GPU, as CUDA counts them.")] = 0,
    measure_seconds: Annotated[
        float, typer.Option(help="How long to measure each engine and precision, in seconds.")
    ] = 2.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what was built and measured as JSON.")] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Explain decisions.")] = False,
) -> None:
    """Build the engines of a bundle for a card, and measure them if it is here.

    TensorRT builds plans on the card that shall run them; TensorRT for RTX also ahead of time, without one. Plans are
    kept inside the bundle: a second run, or one that goes on after an interruption, builds only what is missing.
    """
    import msgspec

    from eecompile.cli.engines_summary import engines_summary
    from eecompile.cli.stages import ConsoleStages
    from eecompile.device_engines import EnginesSettings, build_engines
    from eerun.cli.output_file import check_writable, replace_file

    settings = EnginesSettings(
        target=target,
        engine=engine,
        precision=precision,
        data=data,
        max_drop=parse_fraction("--max-drop", max_drop),
        agreement=agreement,
        max_quant_drop=parse_fraction("--max-quant-drop", max_quant_drop),
        buckets=parse_list("--buckets", buckets, int),
        workspace_bytes=None if workspace is None else workspace * MIB,
        optimisation_level=optimisation_level,
        cache_bytes=cache_size * MIB,
        trust_plans=trust_plans,
        device=device,
        measure_seconds=measure_seconds,
    )
    if json_file is not None:
        check_writable(json_file, flag="--json")
    with ConsoleStages(verbose=verbose) as stages:
        report = build_engines(bundle, settings, stages)
    if json_file is not None:
        with replace_file(json_file, flag="--json") as file:
            file.write(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    typer.echo(engines_summary(report))
