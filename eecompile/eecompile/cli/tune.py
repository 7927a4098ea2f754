"""`eecompile tune`."""

from pathlib import Path
from typing import Annotated

import typer

from eecompile.cli.extra import require_compile_extra
from eecompile.cli.values import parse_fraction, parse_list
from eerun.folding.group_exit import GroupExit

__all__ = ["tune_command"]

AUTO = "auto"
GOAL, WHERE, PROMISE = "Goal", "What is tuned", "Promise"


def tune_command(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    policies: Annotated[
        str, typer.Option("--policy", help="Policies to try, separated by commas, or all; see docs/policies.")
    ] = "all",
    data: Annotated[
        str | None,
        typer.Option(
            help="Data of the build: .npz file, image folder or package.module:function. Default: the .npz of the "
            "model's or the bundle's name beside the bundle."
        ),
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(help="Folder that `eecompile trace` wrote. Default: exits are recorded now.")
    ] = None,
    max_drop: Annotated[
        str, typer.Option(help="Allowed drop, relative to the final exit in float32.", rich_help_panel=GOAL)
    ] = "1%",
    budget_ms: Annotated[
        float | None,
        typer.Option(help="Instead: milliseconds that a batch may take on average.", rich_help_panel=GOAL),
    ] = None,
    budget_macs: Annotated[
        float | None,
        typer.Option(
            help="Instead: million multiply-accumulates that a sample may take on average.", rich_help_panel=GOAL
        ),
    ] = None,
    agreement: Annotated[
        bool,
        typer.Option(
            "--agreement",
            help="Let the drop mean agreement with the final exit; so it does without labels.",
            rich_help_panel=GOAL,
        ),
    ] = False,
    max_tail: Annotated[
        str | None,
        typer.Option(
            help="How much longer than the whole network one batch in a hundred may take. Default: no limit.",
            rich_help_panel=GOAL,
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Batch size to tune for. Default: the largest.", rich_help_panel=GOAL)
    ] = None,
    select_exits: Annotated[
        bool,
        typer.Option("--select-exits", help="Drop exits that do not pay; their segments merge.", rich_help_panel=WHERE),
    ] = False,
    split_heads: Annotated[
        bool | None,
        typer.Option(
            "--split-heads/--no-split-heads",
            help="Make heads graphs of their own. Default: where the policy skips exits.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    fold_exit: Annotated[
        GroupExit | None,
        typer.Option(
            help="How many images of a group must have passed for it to leave a folded network. Default: as the "
            "bundle says.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="Configuration to try policies on: its engine, or auto.", rich_help_panel=WHERE)
    ] = AUTO,
    precision: Annotated[str, typer.Option(help="Its precision, or auto.", rich_help_panel=WHERE)] = AUTO,
    certify: Annotated[
        str | None,
        typer.Option(help="Promise that the drop is at most this, e.g. 1%.", rich_help_panel=PROMISE),
    ] = None,
    confidence: Annotated[str, typer.Option(help="Of the promise.", rich_help_panel=PROMISE)] = "95%",
    certify_method: Annotated[
        str, typer.Option(help="betting or hoeffding-bentkus.", rich_help_panel=PROMISE)
    ] = "betting",
    threads: Annotated[int | None, typer.Option(help="Threads of the engine. Default: one a core.")] = None,
    measure_seconds: Annotated[
        float, typer.Option(help="How long costs are measured, for each set of graphs that changes.")
    ] = 2.0,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be chosen, and write nothing.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what was tried as JSON.")] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Explain decisions.")] = False,
) -> None:
    """Try exit policies on what the exits of a bundle say, and write the best into it; nothing is built again.

    Tune and test are shown side by side: what is searched for on tune does worse on other samples. Only a certificate
    promises something about these.
    """
    require_compile_extra()
    import msgspec

    from eecalib.certify import method_by_name
    from eecompile.cli.stages import ConsoleStages
    from eecompile.cli.tune_summary import tune_summary
    from eecompile.tune import TuneSettings, tune
    from eerun.cli.output_file import check_writable, replace_file

    settings = TuneSettings(
        data=data,
        trace=trace,
        policies=parse_list("--policy", policies, str) or (),
        max_drop=parse_fraction("--max-drop", max_drop),
        budget_ms=budget_ms,
        budget_macs=budget_macs,
        agreement=agreement,
        batch=batch,
        select_exits=select_exits,
        max_tail=None if max_tail is None else parse_fraction("--max-tail", max_tail),
        split_heads=split_heads,
        fold_exit=fold_exit,
        certify=None if certify is None else parse_fraction("--certify", certify),
        confidence=parse_fraction("--confidence", confidence),
        certify_method=method_by_name(certify_method),
        engine=engine,
        precision=precision,
        threads=threads,
        measure_seconds=measure_seconds,
        seed=seed,
        dry_run=dry_run,
    )
    if json_file is not None:
        check_writable(json_file, flag="--json")
    with ConsoleStages(verbose=verbose) as stages:
        report = tune(bundle, settings, stages)
    if json_file is not None:
        with replace_file(json_file, flag="--json") as file:
            file.write(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    typer.echo(tune_summary(report))
