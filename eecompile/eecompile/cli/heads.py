"""`eecompile heads`."""

from pathlib import Path
from typing import Annotated

import typer

from eecompile.cli.extra import require_compile_extra
from eecompile.cli.values import parse_pairs
from eengines.errors import UserError

__all__ = ["heads_command"]

NONE = "none"


def heads_command(
    model: Annotated[Path, typer.Argument(help="Checkpoint with attached heads.")],
    choose: Annotated[
        str | None,
        typer.Option(help="Other exits: TAP=HEAD,…; TAP=none: no exit there. Heads as the table names them."),
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Drop heads that are no exits.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Checkpoint to write.")] = None,
) -> None:
    """Show the heads of a checkpoint, choose others for its exits, or drop those that are not used."""
    require_compile_extra()
    from eecompile.attach.change_heads import attachment_of
    from eecompile.attach.change_heads import choose as choose_exits
    from eecompile.attach.change_heads import prune as prune_heads
    from eecompile.attach.heads_table import heads_table
    from eecompile.checkpoint import load_checkpoint, save_checkpoint
    from eerun.cli.output_file import check_writable

    changes = choose is not None or prune
    if changes and output is None:
        flag = "--choose" if choose is not None else "--prune"
        raise UserError(flag, "got no --output, so that nothing would change", "Add -o, which may be MODEL itself")
    if output is not None:
        check_writable(output, flag="--output")
    checkpoint = load_checkpoint(model)
    attachment_of(checkpoint)
    if choose is not None:
        picks = parse_pairs("--choose", choose)
        checkpoint = choose_exits(checkpoint, {tap: None if head == NONE else head for tap, head in picks.items()})
    if prune:
        checkpoint = prune_heads(checkpoint)
    if output is not None:
        save_checkpoint(output, checkpoint)
    typer.echo("\n".join(heads_table(attachment_of(checkpoint))))
    if output is not None:
        typer.echo(f"PASSED | {output}")
