"""`eecompile compose`."""

from pathlib import Path
from typing import Annotated

import typer

from eecompile.cli.byte_size import parse_bytes
from eecompile.cli.extra import require_compile_extra
from eecompile.cli.values import parse_fraction

__all__ = ["compose_command"]

AUTO = "auto"
LIMITS, COSTS = "Limits", "Measuring"


def compose_command(
    model: Annotated[Path, typer.Argument(help="Checkpoint with attached heads, several at a tap.")],
    data: Annotated[
        str | None,
        typer.Option(
            help=".npz file, image folder or package.module:function. Default: the .npz of the model's name beside it."
        ),
    ] = None,
    factory: Annotated[str | None, typer.Option(help="package.module:function that makes the trunk.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Checkpoint to write. Default: show what would be chosen."),
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Drop heads that are no exits.")] = False,
    policy: Annotated[
        str, typer.Option(help="Score that decides who leaves: margin, max-probability, entropy or gati.")
    ] = "margin",
    max_drop: Annotated[
        str, typer.Option(help="Allowed drop, relative to the final exit.", rich_help_panel=LIMITS)
    ] = "1%",
    agreement: Annotated[
        bool,
        typer.Option(
            "--agreement",
            help="Let the drop mean agreement with the final exit; so it does without labels.",
            rich_help_panel=LIMITS,
        ),
    ] = False,
    max_tail: Annotated[
        str | None,
        typer.Option(
            help="How much longer than the network without heads a batch may take in which nobody leaves, e.g. 10%.",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(help="Weights of all exits' heads together, e.g. 4MiB.", rich_help_panel=LIMITS),
    ] = None,
    min_precision: Annotated[
        str | None,
        typer.Option(
            help="Of those that leave at an exit, the least share with the final exit's answer, or a right one, e.g. "
            "95%.",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    max_exits: Annotated[int | None, typer.Option(help="Early exits at most.", rich_help_panel=LIMITS)] = None,
    batch: Annotated[int, typer.Option(help="Batch size to compose for.", rich_help_panel=COSTS)] = 32,
    engine: Annotated[
        str,
        typer.Option(
            help="Engine to measure heads in; auto: the one that runs the whole network fastest.", rich_help_panel=COSTS
        ),
    ] = AUTO,
    precision: Annotated[
        str, typer.Option(help="Of the graphs: float32, bfloat16 or float16.", rich_help_panel=COSTS)
    ] = "float32",
    threads: Annotated[
        int | None, typer.Option(help="Threads of the engine. Default: one a core.", rich_help_panel=COSTS)
    ] = None,
    measure_seconds: Annotated[
        float, typer.Option(help="How long costs are measured, for each set of graphs.", rich_help_panel=COSTS)
    ] = 2.0,
    seed: Annotated[int, typer.Option(help="Of the data splits and of everything that is drawn.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what was found as JSON.")] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Explain decisions.")] = False,
) -> None:
    """Choose which head becomes the exit of which tap, by measured time and what the heads say about real samples.

    Several heads of eecompile attach at a tap are candidates, and a tap may stay without an exit. Tune and test are
    shown side by side. Where no exit pays nothing is written.
    """
    require_compile_extra()
    import msgspec

    from eecompile.cli.compose_summary import compose_summary
    from eecompile.cli.stages import ConsoleStages
    from eecompile.compose import ComposeSettings, compose_heads
    from eerun.cli.output_file import check_writable, replace_file

    settings = ComposeSettings(
        data=data,
        factory=factory,
        output=output,
        prune=prune,
        policy=policy,
        max_drop=parse_fraction("--max-drop", max_drop),
        agreement=agreement,
        max_tail=None if max_tail is None else parse_fraction("--max-tail", max_tail),
        max_memory_bytes=None if max_memory is None else parse_bytes("--max-memory", max_memory),
        min_precision=None if min_precision is None else parse_fraction("--min-precision", min_precision),
        max_exits=max_exits,
        batch=batch,
        engine=engine,
        precision=precision,
        threads=threads,
        measure_seconds=measure_seconds,
        seed=seed,
    )
    if json_file is not None:
        check_writable(json_file, flag="--json")
    with ConsoleStages(verbose=verbose) as stages:
        report = compose_heads(model, settings, stages)
    if json_file is not None:
        with replace_file(json_file, flag="--json") as file:
            file.write(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    typer.echo(compose_summary(report))
